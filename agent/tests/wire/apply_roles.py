"""Makes in the emulator what a template of Trimtab's roles describes: the roles, and the policies attached to them.

The emulator reads every policy and refuses a malformed one. Of CloudFormation's functions the template uses a few, which stand
here; any other is an error. Prints the external id that each role demands, by ARN.
"""

import json
import sys

import boto3
import yaml

endpoint, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    template = yaml.safe_load(file)
parameters = {name: one["Default"] for name, one in template["Parameters"].items()}
resources = template["Resources"]
iam = boto3.client(
    "iam",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="AKIATRIMTABWIRETESTS",
    aws_secret_access_key="secret",
)


def holds(condition):
    [(function, value)] = condition.items()
    if function == "Condition":
        return holds(template["Conditions"][value])
    if function == "Fn::Equals":
        left, right = map(resolved, value)
        return left == right
    if function == "Fn::And":
        return all(map(holds, value))
    raise ValueError(function)


def resolved(value):
    if isinstance(value, list):
        return [resolved(one) for one in value]
    if not isinstance(value, dict):
        return value
    for key in value:
        if key.startswith("Fn::"):
            raise ValueError(key)
    if "Ref" in value:
        name = value["Ref"]
        return parameters[name] if name in parameters else resources[name]["Properties"]["RoleName"]
    return {key: resolved(one) for key, one in value.items()}


def wanted(kind):
    for name, one in resources.items():
        if one["Type"] == kind and ("Condition" not in one or holds({"Condition": one["Condition"]})):
            yield name, resolved(one["Properties"])


demanded = {}
for _, role in wanted("AWS::IAM::Role"):
    trust = role["AssumeRolePolicyDocument"]
    made = iam.create_role(
        RoleName=role["RoleName"],
        Description=role["Description"],
        MaxSessionDuration=role["MaxSessionDuration"],
        AssumeRolePolicyDocument=json.dumps(trust),
    )
    demanded[made["Role"]["Arn"]] = trust["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
for name, policy in wanted("AWS::IAM::ManagedPolicy"):
    made = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy["PolicyDocument"]))
    for role in policy["Roles"]:
        iam.attach_role_policy(RoleName=role, PolicyArn=made["Policy"]["Arn"])
print(json.dumps(demanded))
