"""Where things are: settings from a file and from variables, checked before anything is started."""
