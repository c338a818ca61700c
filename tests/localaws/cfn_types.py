"""The CloudFormation types that moto lacks or makes wrongly, and that something in a test relies on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from moto.core.common_models import CloudFormationModel

from tests.localaws import address
from tests.localaws.cfn_api_gateway import API_GATEWAY
from tests.localaws.cfn_resource import Create, Made, Properties, api, resource_type


def made_by(service: str, operation: str, name_property: str) -> Create:
    """One call makes it, its name is its reference."""

    def create(properties: Properties, name: str) -> Made:
        api(service, operation, properties)
        return Made(ref=properties.get(name_property, name), attributes={})

    return create


def made_by_nobody(properties: Properties, name: str) -> Made:
    """Recorded here, because moto's own breaks on it."""
    return Made(ref=name, attributes={})


def _alarm(properties: Properties, name: str) -> Made:
    api("cloudwatch", "put_metric_alarm", properties)
    alarm = properties["AlarmName"]
    return Made(ref=alarm, attributes={"Arn": _arn("cloudwatch", f"alarm:{alarm}")})


def _subscription(properties: Properties, name: str) -> Made:
    options = {
        key: _attribute(properties[key])
        for key in ("FilterPolicy", "RawMessageDelivery", "RedrivePolicy")
        if key in properties
    }
    answer = api("sns", "subscribe", {**properties, "Attributes": options})
    return Made(ref=answer["SubscriptionArn"], attributes={})


def _attribute(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _topic_policy(properties: Properties, name: str) -> Made:
    for topic in properties["Topics"]:
        address.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(properties["PolicyDocument"])
        )
    return Made(ref=name, attributes={})


def _queue_policy(properties: Properties, name: str) -> Made:
    for queue in properties["Queues"]:
        address.client("sqs").set_queue_attributes(
            QueueUrl=queue, Attributes={"Policy": json.dumps(properties["PolicyDocument"])}
        )
    return Made(ref=name, attributes={})


def _secret(properties: Properties, name: str) -> Made:
    client, text = address.client("secretsmanager"), properties.get("SecretString", "{}")
    if (wanted := properties.get("GenerateSecretString")) is not None:
        text = _generated(client, wanted)
    answer = client.create_secret(Name=properties["Name"], SecretString=text)
    return Made(ref=answer["ARN"], attributes={"Id": answer["ARN"]})


def _generated(client: Any, wanted: Properties) -> str:
    options = {k: v for k, v in wanted.items() if k not in ("SecretStringTemplate", "GenerateStringKey")}
    password = api("secretsmanager", "get_random_password", options)["RandomPassword"]
    if "GenerateStringKey" not in wanted:
        return str(password)
    return json.dumps({**json.loads(wanted["SecretStringTemplate"]), wanted["GenerateStringKey"]: password})


def _rotation(properties: Properties, name: str) -> Made:
    """The schedule, with the first rotation left to whoever asks for it: here a test."""
    rules = dict(properties.get("RotationRules") or {})
    if "ScheduleExpression" in rules:
        rules = {"AutomaticallyAfterDays": int(rules["ScheduleExpression"].split("(")[1].split()[0])}
    address.client("secretsmanager").rotate_secret(
        SecretId=properties["SecretId"],
        RotationLambdaARN=properties["RotationLambdaARN"],
        RotationRules=rules,
        RotateImmediately=False,
    )
    return Made(ref=properties["SecretId"], attributes={})


def _table(properties: Properties, name: str) -> Made:
    client, table = address.client("dynamodb"), properties["TableName"]
    wanted = {k: v for k, v in properties.items() if k not in ("StreamSpecification", "Tags", "Replicas")}
    if "StreamSpecification" in properties:
        wanted["StreamSpecification"] = {"StreamEnabled": True, **properties["StreamSpecification"]}
    answer = api("dynamodb", "create_table", wanted)["TableDescription"]
    if (ttl := properties.get("TimeToLiveSpecification")) is not None:
        client.update_time_to_live(
            TableName=table,
            TimeToLiveSpecification={"AttributeName": ttl["AttributeName"], "Enabled": bool(ttl["Enabled"])},
        )
    return Made(
        ref=table, attributes={"Arn": answer["TableArn"], "StreamArn": answer.get("LatestStreamArn", "")}
    )


def _state_machine(properties: Properties, name: str) -> Made:
    """Through the API, because moto's own type makes machines that never run."""
    text = properties.get("DefinitionString") or json.dumps(properties.get("Definition"))
    for key, value in (properties.get("DefinitionSubstitutions") or {}).items():
        text = text.replace(f"${{{key}}}", str(value))
    answer = address.client("stepfunctions").create_state_machine(
        name=properties["StateMachineName"],
        definition=text,
        roleArn=properties["RoleArn"],
        type=properties.get("StateMachineType", "STANDARD"),
    )
    arn = answer["stateMachineArn"]
    return Made(ref=arn, attributes={"Arn": arn, "Name": properties["StateMachineName"]})


def _parameter(properties: Properties, name: str) -> Made:
    wanted = {k: v for k, v in properties.items() if k != "Tags"}
    api("ssm", "put_parameter", {**wanted, "Overwrite": True})
    return Made(ref=properties["Name"], attributes={"Value": properties["Value"], "Type": properties["Type"]})


def _version(properties: Properties, name: str) -> Made:
    made = api("lambda", "publish_version", properties)
    version = made["Version"]
    arn = f"{made['FunctionArn'].removesuffix(f':{version}')}:{version}"
    return Made(ref=arn, attributes={"Version": version, "FunctionArn": arn})


def _alias(properties: Properties, name: str) -> Made:
    answer = api("lambda", "create_alias", properties)
    return Made(ref=answer["AliasArn"], attributes={"AliasArn": answer["AliasArn"]})


def _invoke_config(properties: Properties, name: str) -> Made:
    api("lambda", "put_function_event_invoke_config", properties)
    return Made(ref=name, attributes={})


def _event_bus(properties: Properties, name: str) -> Made:
    bus = properties["Name"]
    arn = address.client("events").create_event_bus(Name=bus)["EventBusArn"]
    return Made(ref=bus, attributes={"Arn": arn, "Name": bus})


def _cache(properties: Properties, name: str) -> Made:
    """A name that functions find behind it the Redis process of this run, see `address.within_the_vpc`."""
    kinds = ("PrimaryEndPoint", "ReaderEndPoint", "ConfigurationEndPoint", "Endpoint")
    attributes = {f"{kind}.Address": address.CACHE_HOST for kind in kinds}
    attributes |= {f"{kind}.Port": "6379" for kind in kinds}
    group = str(properties.get("ReplicationGroupId") or properties.get("ServerlessCacheName") or name)
    return Made(ref=group[:40].lower(), attributes=attributes)


def _database(properties: Properties, name: str) -> Made:
    """An address that nobody answers at: a run says by a setting which database stands in for it."""
    known = str(properties.get("DBInstanceIdentifier") or name)
    attributes = {"Endpoint.Address": f"{known}.rds.tierwise.local", "Endpoint.Port": str(properties["Port"])}
    return Made(ref=known, attributes=attributes)


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{address.REGION}:{address.ACCOUNT}:{resource}"


_OTHERS: Final[dict[str, tuple[Create, str]]] = {
    "AWS::CloudWatch::Alarm": (_alarm, "AlarmName"),
    "AWS::DynamoDB::GlobalTable": (_table, "TableName"),
    "AWS::ElastiCache::ReplicationGroup": (_cache, ""),
    "AWS::ElastiCache::ServerlessCache": (_cache, ""),
    "AWS::Events::EventBus": (_event_bus, "Name"),
    "AWS::Lambda::Alias": (_alias, "Name"),
    "AWS::Lambda::EventInvokeConfig": (_invoke_config, ""),
    "AWS::Lambda::Version": (_version, ""),
    "AWS::RDS::DBInstance": (_database, ""),
    "AWS::RDS::DBParameterGroup": (made_by_nobody, ""),
    "AWS::SNS::Subscription": (_subscription, ""),
    "AWS::SNS::TopicPolicy": (_topic_policy, ""),
    "AWS::SQS::QueuePolicy": (_queue_policy, ""),
    "AWS::SSM::Parameter": (_parameter, "Name"),
    "AWS::SecretsManager::RotationSchedule": (_rotation, ""),
    "AWS::SecretsManager::Secret": (_secret, "Name"),
    "AWS::StepFunctions::StateMachine": (_state_machine, "StateMachineName"),
}
TYPES: Final[Mapping[str, type[CloudFormationModel]]] = {
    name: resource_type(name, create, named) for name, (create, named) in (_OTHERS | API_GATEWAY).items()
}
