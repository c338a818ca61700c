"""Words and pairs of neighbours that tell a command from talk, by weight. Made by `edge_runtime.training.command_words`.

`^` and `$` are the ends of the sentence, `_` stands between the words of a pair.
"""

from typing import Final

BIAS: Final = 0.21
# fmt: off
WEIGHTS: Final = (
    (-3.0,
     "^_our account address die how_can how_do la mean need_not never not please_don relationships share "
     "she sum this_email this_text who with_me your "),
    (-2.75,
     "^_every das did_you he joke message_$ need_$ or our_sales people really terrible tweet x "),
    (-2.5,
     "^_given asked bad blockchain chess com democracy eat leaves ms of_light org photosynthesis post query "
     "questions rent root sentence sorts story test they tips volcanoes weather_on which_team why_does "),
    (-2.25,
     "a_noise better change_$ climate_change correct dont es evaluate exchange fact how_old idea il invoice "
     "language maybe mr names number_is page password river someone suggest tests told waste where_can "),
    (-2.0,
     "^_list ^_name ^_was ^_who a_reply article_$ be_a cannot_be card contact cook democracy_$ der diet_$ "
     "document dragon electricity empire est famous fever healthy heard holes how_are jazz_history lane "
     "last_year learning lists lives lives_in loud_$ machine_learning negative nice on_sunday pain "
     "paragraph plus recommend said script sentences shorten somebody somebody_is summary table text_$ "
     "that_$ the_following these times translate_the vaccines vector war was when_the why_did you_need "
     "you_recommend "),
    (-1.75,
     "^_her ^_his ^_in ^_they a_linked alarm_clocks analyse assist avenue but cars clocks coin com_$ "
     "contract do_$ electric_cars expensive_$ explaining french have_you healthy_food important javascript "
     "lately letter linked linked_list live mrs my_holiday next_year old outline pain_$ person points "
     "python reserve role shall smart t then this_is timers_in to_me told_me understand unit_tests words "
     "you_remember "),
    (-1.5,
     "^_classify ^_generate ^_he ^_this ^_translate black_holes bought break_$ built business buy_$ chess_$ "
     "comment compare compose_an customer dates detailed determine develop don_t draft dragon_$ egypt_$ "
     "essay every explain few following_email front_door great holiday_photos homes homes_$ i_feel "
     "in_javascript io learning_$ legal list_all market mars minus music_theory my_account my_program name "
     "networks neural neural_networks news numbers on_mars online org_$ photosynthesis_$ plan_for poem "
     "positive_or profile program_for relationships_$ report_$ review salon seems sentiment should since "
     "strange street summarise summary_of tax the_dragon the_movie them_how think this_document vaccines_$ "
     "was_born were why work_io write_an year_$ yesterday you_the "),
    (-1.25,
     "^_a ^_suggest ^_that ^_the ^_using ago ancient and_gives best blockchain_$ born build chapter "
     "chest_pain compute contract_$ de decide derive design do_not does_a don dot dr egypt feel following "
     "following_text gives great_$ handles happen happen_if happened happens happens_if his history_$ "
     "internet io_$ key last_week later_$ leak leave may most no physics physics_$ prove quantum_physics "
     "remember sell_the sentence_$ something still stock_market summarize the_video to_i update versus went "
     "went_to what_happened what_happens why_is word world you_a "),
    (-1.0,
     "^_google ^_my ^_one amounts an_hour ancient_egypt at_midnight baker bank based_on blinds_$ castle cat "
     "chest clocks_$ complains complaint dark describe document_$ edu extract fix flight function game_$ "
     "handle hour_ago how_did i_buy i_like i_wonder is_your it_s laundry law light_bulbs list_the look_up "
     "manager me_some me_up midnight might of_them pick please_my read_me return roman roman_empire "
     "said_that smart_homes soon sorting tax_law the_best the_roman the_speed theory theory_$ time_do tone "
     "under uni uni_edu us visit when why_are why_the wonder "),
    (-0.75,
     "^_draft ^_recommend ^_search ^_she ^_summarize a_car a_contract about ago_$ and_now are are_an are_in "
     "are_left are_you assess balanced based because boss broken call_me cards chen classify den did diet "
     "do_you does_this email_to empire_$ engine example example_com examples fever_$ from_this get_a google "
     "heat_pump him holiday how_fast http i i_had if_the im landlord late_$ letter_to listen_i loud madrid "
     "market_$ me_an mentioned occur occur_in oh old_are old_castle people_like please_the problem reset "
     "s_see says sorting_lists spanish spanish_$ speakers suggest_a sunset tests_$ the_alarm the_meeting "
     "the_motor the_stock the_text this to_get tonight turned we_expected which_is write_a you_do "),
    (-0.5,
     "^_we ^_which a a_balanced act act_as already and_cons are_my are_the balanced_diet been best_way "
     "books break broken_$ bus buy buy_the cars_$ change_my cold_in come compose cons contrast cost_a "
     "data_$ detail does door_in each email email_$ fan_in file football for_tomorrow french_language "
     "german have_$ heavy her history holes_$ id if_i in_here in_one in_open is is_broken is_this is_too "
     "it_is javascript_$ jazz kids_$ la_musica law_$ lights_on like_a lists_$ lites living love mail "
     "me_about me_today mentioned_in mountain my_boss my_phone name_is networks_$ night not_sure paul "
     "pump_$ quantum quickly_what recommend_me regarding road sales_$ should_we sofia tell_me than "
     "the_conveyor the_french the_lights the_like the_old the_patient the_timer the_topic them them_$ "
     "there_are throw to_a to_have to_how to_let to_stop to_we topic topic_of turned_off turned_on two u "
     "uh_what update_my ve_got very volcanoes_$ we wife with_my work_$ x_squared you_are "),
    (-0.25,
     "^_have ^_is ^_order ^_throw ^_update ^_whats ^_you a_business a_good a_letter a_photo after "
     "afternoon_at ahmed also_please an and and_please anita as before bread_$ business_plan class climate "
     "code date_of david day_$ degrees_in dinner_$ do_my draft_an driver emma extractor for_friday from "
     "generate george good has high hmm how_does i_am i_remember iron irrigation it_a kids lamp_fan "
     "language_$ later leaving_$ lights london made madrid_$ mars_$ me_the met mode_and much_$ much_water "
     "musica my_back no_need number off_the once order_$ photos please_we point_five positive quality rate "
     "rate_the robert robot_to rock room_lights s_a see_i setting shelf_$ should_i so some still_on susan "
     "switched switched_on team that_handles the_er the_landing the_music the_package the_store the_team "
     "the_tv the_you their there_how there_in there_what they_meet this_$ this_morning ticket to_our "
     "to_turn to_what torque toss travels use war_two which windows with world_war you_like you_mind "),
    (0.25,
     "^_add ^_alarm ^_also ^_can ^_could ^_disable ^_get ^_how ^_kill ^_make ^_pull ^_send ^_time ^_will "
     "a_quick a_selfie accept actually_i add alarm_system already_in am an_order and_i and_make and_put "
     "are_on arrival_time at at_quarter attic baby_wipes back_to baseball_cap be_locked bike blinds "
     "blinds_up break_room brighter_$ bring_the bring_up calendar calendar_on cancel_the case ceiling cell "
     "cent change channel charger_$ convert crank_the create_a d d_like dark_in date_is defroster degrees "
     "delete delete_it demister disable_the display_the do_i door_$ door_is door_lock door_to down_a dozen "
     "draw dress efficiency end_$ entrance_$ er_what evening_$ family fan_off fan_on fan_speed far faster_$ "
     "fi fifteen fifty fill_level finish_the five_minutes flash flip_the floor_$ for_$ forecast_for "
     "from_the frozen frozen_pizza garden garlic gloves good_morning groceries guest_room half_$ have_an "
     "have_any have_on hear heated_seat heater_on hey_can hose hour house_alarm how_full how_low i_d "
     "i_drunk i_need i_would ice_cream if_you interview is_on juice know know_the lamps left_$ like_the "
     "like_to local_time lock locked_please log_$ long_is long_will look make make_my many many_kilometers "
     "maria maximum maximum_$ me_of me_what miles minutes_more mode_off monday_morning month_is morning "
     "morning_at move movie_$ my_timer named need_to night_mode noise now odometer of_my off_my on_da on_if "
     "on_in on_on on_please on_the open_my operation oven passenger past pasta per_cent peter phone_call "
     "please_$ please_put pls pls_$ pounds pounds_$ psi_$ pull purchase_order put_to record recording "
     "refill release_the restaurant rice route_$ routine_$ saturday_afternoon saving scrap_rate "
     "screen_brightness security security_system set set_the shed shoes shop_$ should_be sleep_another "
     "sliding slower_$ snap_a snooze_$ sound space speed start_the stock stop_it study_room summer_dress "
     "system_off t_shirts tag ten the_attic the_awning the_backyard the_bedroom the_car the_compressor "
     "the_device the_dog the_doors the_foyer the_hall the_lamp the_light the_living the_phone the_route "
     "the_shed the_signal the_storage the_temperature the_toilet the_weather then_please there_s time_for "
     "timer_$ timer_called timer_for to_da to_do to_know tonight_$ track_it travel trigger trip turn_down "
     "turn_the twenty two_$ two_dozen up_in use_the ve very_much video_of waiting want_a warmer "
     "was_wondering we_are week weekend what_was whether white_t wi wi_fi windshield wine wish wondering_if "
     "you_be you_change you_make you_put you_turn you_very "),
    (0.5,
     "^_brighten ^_clear ^_enable ^_give ^_let ^_oh ^_refill ^_remind ^_return ^_run ^_set ^_take a_halt "
     "a_hundred a_message a_picture a_sound aa aa_batteries add_to ah_how alarm almost_out am_$ and_then "
     "app_$ appointments arm_the ask at_five awning back bananas bar baseball batteries battery_$ begin_a "
     "blinds_open boots brightness_down bring burglar_alarm cannot_find charge_level charger chicken chips "
     "christmas con cost crank_down cruise curtains_to deadbolt department diapers discount "
     "display_brightness do_we doing_$ done done_talking door_please each_morning end_my enough exercise "
     "expensive f fan_run fan_to find first_thing foot_$ for_a for_an for_the for_this forecast "
     "friday_morning furnace game_room get get_there got guidance gym h half half_way handbag hang hang_up "
     "happening heat heating_$ heating_on heating_to hold home_$ hour_and how_hot how_late hundred i_walked "
     "in in_$ into it_from it_up items_are keyboard label labels_for laptop leaving library light_in "
     "like_it line_$ lock_the lower_the make_the me_in men midday mind_$ mins minutes_$ more my_agenda "
     "my_order my_package my_the my_weight my_windshield navigation need_a need_an now_turn oee off_$ "
     "off_please okay_i on_for on_to open_a open_up order_for oxygen_saturation packing passed_$ patio "
     "pause_the percent photo place playlist_$ price price_$ pull_the pump put put_some re read_the reading "
     "rear reduce release remaining_on reminder remote remove repeat roll_down room_$ roomba running_out "
     "s_boots salmon saturation scene_$ show silent sit skip_the softer speed_$ speed_on start_$ status "
     "steps stick stopped strength sunroof swim switch_the system_$ take_them talking temperature_$ text "
     "that_i the_apartment the_battery the_boiler the_bulbs the_delivery the_den the_downtime the_lamps "
     "the_line the_order the_previous the_shutters the_sunshade the_windscreen there_on thing_tomorrow "
     "this_saturday time_in to_tell to_use tomatoes tomorrow_afternoon turn_off units_of unlock_my up_$ "
     "up_my walk want way_$ weekday_is weekend_$ welding welding_robot what_do where_s window wipes women "
     "women_s wondering would_like write yet_$ you_could you_don you_switch "),
    (0.75,
     "^_activate ^_arm ^_change ^_close ^_continue ^_drive ^_end ^_launch ^_raise ^_ring ^_text ^_turn "
     "^_unlock ^_vacuum a_pic a_tad a_touch add_a after_tomorrow alarm_$ alarm_please alarms_$ and_turn "
     "apartment_door around arrival ask_the at_my ballpoint ballpoint_pens bars battery_saver be be_home "
     "be_there blue_jacket boost bottles bucket burglar buzz cabin cable cancel_my cancelled car_s cart "
     "ceiling_light charge_$ chargers check clear clip close closet coats cordless cordless_drill could_we "
     "counting date_$ day_after decrease dim_the dismiss door_unlocked drank drill driver_s due eighty "
     "eleven enter error every_day everyday exercise_$ faster fifteen_minutes finish_my for_tuesday "
     "forget_the forty four friday garden_hose get_my glass go_to going green_tea greenhouse guidance_$ "
     "half_past have_i hoover_the hotter hours_$ hundred_fifty hundred_forty i_wanna in_bed in_stock "
     "it_today items jams kiln know_how know_where let_us light_$ light_turn lights_in line local look_for "
     "low lower machine main_door many_units max me_find me_sleep message_to mind minutes moment_$ much_is "
     "music_room my_basket my_delivery my_next my_shopping my_storage my_wiper need_you next oat oat_milk "
     "of_an of_our office_$ on on_$ onions open open_the outside percent_off phone_s play please_start "
     "podcast potato potato_chips press_snooze price_tag print produced production pull_up pump_b put_my "
     "quarter quiet raining raise raise_my reminder_for reorder reply_to restart return_the ring_$ robot "
     "roll_up route_to sale schedule screen search_for seat_heat seat_heater second secure send session_$ "
     "shop shopping show_the shutter shutters_$ slower snooze_button soap start_tracking station status_$ "
     "status_of sunday_afternoon sunday_evening switch_off system_on t_see tad temperature_of that_s "
     "the_cart the_cpu the_cutter the_entrance the_lighting the_mood the_roomba the_song the_terrace "
     "the_week the_workout there_a through time_her timer_stop to_go to_seventy to_the toaster toilet "
     "tomorrow_morning too_dark traffic training up_please usb_chargers valve video volume volume_down "
     "walked wanna warmer_$ warmer_in washer_fluid watch water_$ weather_for window_is window_open wiper "
     "wipers wool wool_socks yard_$ yo_i you_show "),
    (1.0,
     "^_convert ^_do ^_fan ^_hit ^_hold ^_log ^_play ^_put ^_shoot ^_shut ^_skip ^_snap ^_submit a_clip "
     "a_little a_meeting alarm_clock alarms any_more app are_running arm basket_$ belt boxes_of breakfast "
     "brightness brightness_to button c_$ calendar_entry call call_with caller calories can_t can_the cap "
     "chores_list conveyor conveyor_number cooler_$ crack create_an cups day_of decline defrost_it "
     "defrost_the degree degrees_$ degrees_f driving drunk earbuds entry everything fahrenheit_$ fan_$ "
     "fan_unit far_can fillets fluid forget_my fourteen full full_$ gaming_mouse garage_$ gate_$ get_me "
     "go_back go_for goal green hike hoover hours house_$ how_much hrs i_do i_slept ignore indoor is_$ "
     "is_in is_there it_down it_gonna it_in jam jones keep kindly_how kph label_for labels_of laser_cutter "
     "left lemons let light_on list_please little lock_my log_that longer m_finished make_an many_active "
     "many_calories me_that medium medium_$ meetings memory message meter miles_per milk min mineral "
     "mineral_water minutes_of mirrors missing ml mode mode_$ more_$ morning_alarm mouse my_heart my_step "
     "my_vehicle navigation_$ off ok_how olive olive_oil on_foot on_tuesday one_$ onto orange order out "
     "park pens percent_$ percent_in playing please_add please_remind please_report pm potting potting_soil "
     "printer_paper rain_coats red_sneakers remaining restock run running_shoes salmon_fillets saturday_$ "
     "saturday_night scene schedule_an seat_to seats seconds session set_$ shelf shopping_basket shredder "
     "shutters_in slept sneakers soil songs songs_$ sorter speak_with start step_goal stop_the storage "
     "sunscreen switch_on take_me task task_list tell_maintenance the_blower the_date the_drapes "
     "the_exercise the_price the_shredder the_sorter the_time them_from there_any thirty this_charge "
     "this_device this_phone thursday to_pause todo_list tracking trolley trolley_$ tune turn_on tyre "
     "tyre_pressure unit up up_a vacuum vehicle_s video_call wanna_know want_to warehouse was_my way_too "
     "we_get we_re weather_like wednesday weight weight_log weight_of when_is when_you where_is "
     "windscreen_wipers wish_list workout_$ "),
    (1.25,
     "^_cancel ^_dim ^_disarm ^_display ^_draw ^_price ^_resume ^_security ^_warm a_half a_reminder ac "
     "active adaptive adjust ahead_$ alarm_for album any application are_here at_midday at_what available "
     "away_mode awning_$ bag_$ battery be_off be_on begin blinds_in break_pause breast burned can_we capper "
     "cart_$ cat_food celsius charged_is charging cheese chicken_breast chores clean cleaning clock cnc "
     "condition continue cooler_in cough_syrup crank cream cruise_$ curtains_in cut deactivate_my delay "
     "device dimmer_$ disable disarm disarm_the discount_for do_they dock_$ drugstore enable_the end_the "
     "f_$ far_$ fault_report filler flashlight flow for_five free friday_night frost fuel glass_of gonna "
     "gonna_be heat_up heated here hit hours_and hours_log how_charged how_was hydraulic i_got i_have "
     "i_show increase is_it is_locked is_our is_remaining is_switched it_get jacket kill kilometers km "
     "latex latex_gloves lego level level_in list_$ list_if long_was louder maintenance_that me_where "
     "memory_$ milk_$ mirrors_$ mom monday_evening month mood_for motor_a much_charge much_do my_display "
     "my_screen needs never_mind next_friday nineteen notify number_of on_silent on_wednesday one_and "
     "our_shopping paper_towels passenger_s please_could please_open point press pressure_of price_label "
     "print_me put_on radio read_my record_a red remind_me reminder_to report_it resume_the robot_arm "
     "roomba_to run_$ running running_low saturday save_and say send_a shades shades_to shampoo shoot_a "
     "shut signal signal_strength skip_back softer_$ sound_down sound_on south_door speed_to stock_$ "
     "stock_of stop stop_$ stress sunshade sure_the switch_to syrup tags_for tell temp text_message "
     "that_the the_basement the_birthday the_charge the_filler the_humidity the_hydraulic the_inventory "
     "the_shelf the_status the_the the_way the_wrapper this_call time timer_to to_my to_thirty to_two "
     "toilet_paper towels training_$ treadmill trun trunk unbolt ventilation volume_in wake_me we_arrive "
     "we_should weather weekdays weekdays_$ weekends_$ weight_is where_the will_we window_$ windscreen_$ "
     "winter winter_jackets wiper_$ wireless work_list workout wrapper yoga you_have "),
    (1.5,
     "^_begin ^_buzz ^_dial ^_enter ^_forget ^_lock ^_press ^_reduce ^_report ^_route ^_schedule ^_start "
     "^_unbolt a_notch a_thousand a_video active_minutes adaptive_cruise alert also_the also_what am_i "
     "anymore_$ arrive_$ arrived at_two audio back_window be_unlocked beep bit_$ blinding blue boot "
     "breakfast_cereal brighten brighter cardboard cardboard_boxes carpet charged check_my check_on "
     "cleaner_$ clock_for consumption count_down cpu_temperature cruise_speed cutter cycling darker date "
     "deactivate defog degrees_celsius demist detergent did_i dim display dog_food down down_my end erase "
     "everyday_$ expecting fault feeder flow_rate for_my friday_afternoon gift gift_list got_the hammer "
     "has_an have_the how_cold hundred_seventy i_burned i_can i_just i_sleep i_take include increase_the "
     "inventory it_now jacuzzi just_put kg_$ kilometers_per lamps_$ late_is later_today leave_the less "
     "level_$ level_at level_of level_on list lits log_my looking_for loop me_directions mood motor "
     "my_countdown my_cruise my_device my_windscreen need_for need_the next_tuesday ninety notch note "
     "off_stop on_tomorrow opened_$ output package pause_my pharmacy_list phone_temperature picture printer "
     "quieter range_$ remaining_distance remind s_date s_it saturday_morning saver saving_mode service "
     "seven shutters sixty slide_the snap snooze_for snow sold_out speed_down state stock_level sure_i "
     "sweep_the take_a the_countdown the_list the_lobby the_moment the_nearest the_tank then_how then_i "
     "there_turn this_store this_sunday thousand thursday_$ timer timers to_it to_see todo track "
     "tuesday_night twelve unlock unpause up_to usb_cable utilization voice we_need weather_report "
     "weekday_$ where_my whereabouts which_aisle white windscreen wipers_down with_peter yet "),
    (1.75,
     "^_deactivate ^_engage ^_increase ^_secure ^_workout a_$ a_call abort activate activity agenda "
     "appointment arm_$ assistant_turn at_one available_$ back_disarm basket blind blower butter by_car "
     "c_in call_to can_find cereal charge cheaper control_to cpu crank_up cups_of current destination "
     "destination_$ directions_to disable_my disk distance door_for doors_$ drugstore_list "
     "engine_temperature ensure ensure_the episode equals_how every_weekday far_did finished floors foot "
     "for_wednesday forget_about from_our gas go_a haev halfway_$ heart heated_seats heater_off hertz "
     "hundred_ninety is_that it_show kilograms knock label_print labels lamp_off lighting like_$ line_b "
     "lock_it log low_$ m_done m_in maintenance_$ make_it max_$ me_da medicine meeting_with minute mop "
     "new_price next_saturday next_song next_sunday next_week not_let of_us off_and off_on oil on_friday "
     "on_shuffle out_$ outdoor oxygen parts pause phone_brightness picture_$ please_let please_lock "
     "power_saving previous price_tags project_list quit rain rate_at reduce_the reduction reject remove_it "
     "remove_my remove_the resume_$ route run_a set_a seventy shades_in shopping_list shut_the state_of "
     "storage_$ sunday_morning sunglasses sunny sure_that tablet that_my the_day the_defogger the_fuel "
     "the_number the_remaining the_weekend them_to third three_hundred thursday_evening thursday_night tick "
     "time_it traffic_jams tuesday tuesday_$ umbrella units unmute up_our van want_the we_be weekday when_s "
     "when_will which_day whole "),
    (2.0,
     "^_drop ^_pause ^_remove ^_switch ^_wake ^_wipers ac_in agv aisle alarm_at alarm_by and_get answer "
     "apartment application_$ are_$ assembly assembly_line b back_one bag balcony_door bicycle "
     "birthday_cards black_jeans blast books_list brightness_at call_$ call_my camera_to capture car_need "
     "cart_remove cinema click clip_$ connect control_$ coolant count countdown dark_theme degrees_c diary "
     "directions do_list drop_the empty enable eta evening_at events fan_the finish flour forget_to "
     "four_hundred from_my fuel_level games gaming go_up gps ground_beef h_$ halt_$ hold_$ humidity i_find "
     "jeans kcal kilometres label_of launch_the let_me light_to lobby locate lock_$ m_on maintenance "
     "minutes_are mixer mph mute no_alarm no_more of_coffee off_our on_every order_of p p_m "
     "percent_discount pharmacy pic ping pop price_labels print_one progress_of put_a quicker refill_the "
     "resume routine run_my s_our scrap seat_heating shed_$ shipment show_my shuffle shut_down snooze south "
     "speed_at station_$ status_please stream submit supply t_let t_mind tailgate tank temperature "
     "temperature_in the_vibration theme there_at timers_$ to_call track_$ truck tuesday_afternoon "
     "tuesday_evening undo us_to ventilator we_don wednesday_at week_is weekends what_date will_i window_in "),
    (2.25,
     "^_ensure ^_has ^_keep ^_message ^_next ^_phone ^_speed a_m a_price air_quality also_put and_tell "
     "are_we at_$ availability blood_sugar both closest daily day_is days deactivate_the defogger_on "
     "defroster_off delivery dial dimmer discount_on dnd done_with door_should door_unlock downtime drop "
     "flight_mode friday_$ go_home go_off have_it have_my have_some headphones heart_rate high_$ in_night "
     "jump just_switch kg know_that lift lights_the lights_to log_it louder_$ lsit me_forget me_our "
     "minutes_for minutes_timer much_waste my_sleep nearest noon oclock off_mute on_all on_monday "
     "on_thursday parcel per_hour photo_$ playlist pressure reminder_about reminder_at s_seat second_$ "
     "see_to selfie set_up shades_$ side_$ sku slide snapshot socket take_it the_destination the_forecast "
     "the_shopping this_evening this_week time_there timer_on to_hear tomorrow_evening tomorrow_night "
     "turn_up two_hundred usb we_got weather_in wednesday_$ wednesday_evening wednesday_morning whatsapp "
     "where_are "),
    (2.5,
     "^_ask ^_decrease ^_hang ^_new add_an almost also_my an_reminder arrive brightness_up by_bike by_bus "
     "calendar_$ carry control_at countdown_$ defrost directions_$ drive_to fahrenheit fan_and film find_it "
     "glucose heat_$ here_unlock is_calling item liters location mark my_calendar my_rear nav off_in "
     "per_minute petrol pick_up play_me please_make power_to pulse queue remember_to ring row saying "
     "schedule_$ section silence silent_$ silent_mode sleep_mode snooze_it so_far store_$ sweep tags "
     "ten_minutes the_afternoon the_display the_paint this_afternoon this_thursday time_now twenty_five "
     "until_we up_by us_$ vehicle video_$ washer weight_to "),
    (2.75,
     "^_power ^_track and_switch coming control_on enough_for hotspot i_cannot inform keys launch low_on "
     "minute_$ monday_night much_time please_switch range reception screen_a shoot sunday_night take_my "
     "this_friday this_wednesday to_lock tunr wipers_$ you_got "),
    (3.0,
     "^_lower ^_record alarm_off alarm_to anymore bolt control_off cooler disturb dock down_$ every_morning "
     "find_my get_it get_to getting halt hundred_thirty i_don is_today lights_and listen_to looking lost_my "
     "monday_$ navigate not_disturb not_need on_cruise plug s_on skip sms sugar t_need the_seat this_monday "
     "time_is to_twenty turn_my up_at wednesday_night what_day windshield_$ "),
)
