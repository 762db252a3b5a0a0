# The roles that Trimtab takes in an AWS account: TrimtabRead, and TrimtabApply only where access is "apply".
# What each statement is for, and where it could lead in other hands, stands beside it. Nothing here is secret.
#
# 1. Where the agent's principal comes from. It needs one right, sts:AssumeRole on these two roles:
#      {"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Resource":["arn:aws:iam::*:role/TrimtabRead","arn:aws:iam::*:role/TrimtabApply"]}],"Version":"2012-10-17"}
#    - an EC2 instance: the role of its instance profile (IMDSv2 required, hop limit 1);
#    - EKS: the role of the pod's service account, by IRSA (eks.amazonaws.com/role-arn), or by Pod Identity with
#      --disable-session-tags: its tags would go on to these roles, which take none;
#    - elsewhere: an IAM user. Its keys come from systemd's LoadCredential and AWS_SHARED_CREDENTIALS_FILE; turn them
#      over often. Prefer the others: their credentials end by themselves.
#
# 2. Apply this file.
#    terraform init && terraform plan && terraform apply, with the account's credentials; or as a module of yours.
#    What has no default is asked for. To switch kinds or the apply role later, set kinds and access.
#
# 3. Add to trimtab.toml:
#      [[account]]
#      name = "NAME"
#      id = "ACCOUNT"
#      role_arn = "arn:aws:iam::ACCOUNT:role/TrimtabRead"
#      external_id = "EXTERNAL ID"
#      regions = ["REGION"]
#
# 4. trimtab connect verify --account NAME
#

variable "principal" {
  description = "The role or user that the Trimtab agent has. Nobody else can take the roles."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", var.principal))
    error_message = "The value of principal has another form."
  }
}

variable "external_id" {
  description = "Made by trimtab connect for this account alone; trimtab.toml holds it. Never choose one."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f-]{32,36}$", var.external_id))
    error_message = "The value of external_id has another form."
  }
}

variable "access" {
  description = "read makes the read role only; apply makes the apply role beside it."
  type        = string
  default     = "read"

  validation {
    condition     = contains(["read", "apply"], var.access)
    error_message = "The value of access has another form."
  }
}

variable "kinds" {
  description = "The kinds of resource that the roles reach."
  type        = set(string)
  default     = ["ec2-instance", "ebs-volume", "lambda-function", "auto-scaling-group"]

  validation {
    condition     = length(setsubtract(var.kinds, ["ec2-instance", "ebs-volume", "lambda-function", "auto-scaling-group"])) == 0
    error_message = "The value of kinds has another form."
  }
}

data "aws_iam_policy_document" "trimtab_trust" {
  statement {
    effect  = "Allow"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [var.principal]
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

resource "aws_iam_role" "trimtab_read" {
  name                 = "TrimtabRead"
  description          = "Trimtab reads with it. It changes nothing."
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.trimtab_trust.json
}

data "aws_iam_policy_document" "trimtab_read_ec2_instance" {
  # autoscaling:DescribeAutoScalingGroups: finds groups and members
  statement {
    sid       = "AutoscalingRead"
    effect    = "Allow"
    actions   = ["autoscaling:DescribeAutoScalingGroups"]
    resources = ["*"]
  }

  # cloudwatch:GetMetricData: the metrics themselves; AWS bills these calls
  # cloudwatch:ListMetrics: whether an agent reports memory
  # cloudwatch:DescribeAlarms: alarms that stop a change or are disturbed by it
  statement {
    sid       = "CloudwatchRead"
    effect    = "Allow"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics"]
    resources = ["*"]
  }

  # ec2:DescribeInstances: finds instances, their tags, type and state
  # ec2:DescribeInstanceStatus: status checks and scheduled events
  # ec2:DescribeInstanceAttribute: stop and termination protection
  # ec2:DescribeInstanceTypes: what each type offers
  # ec2:DescribeInstanceTypeOfferings: whether a zone has the type
  # ec2:DescribeVolumes: finds volumes, their type, size and attachments
  # Escalation: ec2:DescribeInstanceAttribute: it also reads user data, where people leave secrets; IAM cannot limit it to the two protections
  statement {
    sid       = "Ec2Read"
    effect    = "Allow"
    actions   = ["ec2:DescribeInstanceAttribute", "ec2:DescribeInstanceStatus", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeInstances", "ec2:DescribeVolumes"]
    resources = ["*"]
  }

  # elasticloadbalancing:DescribeTargetGroups: which groups send it requests
  # elasticloadbalancing:DescribeTargetHealth: whether others can take over
  # elasticloadbalancing:DescribeTargetGroupAttributes: how long a target is drained
  statement {
    sid       = "ElasticloadbalancingRead"
    effect    = "Allow"
    actions   = ["elasticloadbalancing:DescribeTargetGroupAttributes", "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"]
    resources = ["*"]
  }

  # servicequotas:GetServiceQuota: whether more vCPUs may run
  statement {
    sid       = "ServicequotasRead"
    effect    = "Allow"
    actions   = ["servicequotas:GetServiceQuota"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "trimtab_read_ec2_instance" {
  count = contains(var.kinds, "ec2-instance") ? 1 : 0

  name        = "TrimtabRead-ec2-instance"
  description = "What TrimtabRead may do with ec2-instance."
  policy      = data.aws_iam_policy_document.trimtab_read_ec2_instance.json
}

resource "aws_iam_role_policy_attachment" "trimtab_read_ec2_instance" {
  count = contains(var.kinds, "ec2-instance") ? 1 : 0

  role       = aws_iam_role.trimtab_read.name
  policy_arn = aws_iam_policy.trimtab_read_ec2_instance[0].arn
}

data "aws_iam_policy_document" "trimtab_read_ebs_volume" {
  # cloudwatch:GetMetricData: the metrics themselves; AWS bills these calls
  # cloudwatch:DescribeAlarms: alarms that stop a change or are disturbed by it
  statement {
    sid       = "CloudwatchRead"
    effect    = "Allow"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"]
    resources = ["*"]
  }

  # ec2:DescribeInstances: finds instances, their tags, type and state
  # ec2:DescribeVolumes: finds volumes, their type, size and attachments
  # ec2:DescribeVolumesModifications: whether a modification is under way
  # ec2:DescribeSnapshots: finds the snapshot that a change took
  statement {
    sid       = "Ec2Read"
    effect    = "Allow"
    actions   = ["ec2:DescribeInstances", "ec2:DescribeSnapshots", "ec2:DescribeVolumes", "ec2:DescribeVolumesModifications"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "trimtab_read_ebs_volume" {
  count = contains(var.kinds, "ebs-volume") ? 1 : 0

  name        = "TrimtabRead-ebs-volume"
  description = "What TrimtabRead may do with ebs-volume."
  policy      = data.aws_iam_policy_document.trimtab_read_ebs_volume.json
}

resource "aws_iam_role_policy_attachment" "trimtab_read_ebs_volume" {
  count = contains(var.kinds, "ebs-volume") ? 1 : 0

  role       = aws_iam_role.trimtab_read.name
  policy_arn = aws_iam_policy.trimtab_read_ebs_volume[0].arn
}

data "aws_iam_policy_document" "trimtab_read_lambda_function" {
  # cloudwatch:GetMetricData: the metrics themselves; AWS bills these calls
  # cloudwatch:DescribeAlarms: alarms that stop a change or are disturbed by it
  statement {
    sid       = "CloudwatchRead"
    effect    = "Allow"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"]
    resources = ["*"]
  }

  # lambda:ListFunctions: finds functions and their memory
  # lambda:ListTags: reads their tags
  # lambda:ListAliases: whether calls go through an alias
  # lambda:ListVersionsByFunction: which versions an alias may serve
  # lambda:GetFunctionConfiguration: one function as it is now
  # lambda:ListProvisionedConcurrencyConfigs: whether an alias keeps environments warm
  # Escalation: lambda:ListFunctions: it also reads environment variables, where people leave secrets; code is not readable by it
  statement {
    sid       = "LambdaRead"
    effect    = "Allow"
    actions   = ["lambda:GetFunctionConfiguration", "lambda:ListAliases", "lambda:ListFunctions", "lambda:ListProvisionedConcurrencyConfigs", "lambda:ListTags", "lambda:ListVersionsByFunction"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "trimtab_read_lambda_function" {
  count = contains(var.kinds, "lambda-function") ? 1 : 0

  name        = "TrimtabRead-lambda-function"
  description = "What TrimtabRead may do with lambda-function."
  policy      = data.aws_iam_policy_document.trimtab_read_lambda_function.json
}

resource "aws_iam_role_policy_attachment" "trimtab_read_lambda_function" {
  count = contains(var.kinds, "lambda-function") ? 1 : 0

  role       = aws_iam_role.trimtab_read.name
  policy_arn = aws_iam_policy.trimtab_read_lambda_function[0].arn
}

data "aws_iam_policy_document" "trimtab_read_auto_scaling_group" {
  # autoscaling:DescribeAutoScalingGroups: finds groups and members
  # autoscaling:DescribePolicies: whether somebody else scales the group
  # autoscaling:DescribeScheduledActions: what is scheduled already
  # autoscaling:DescribeScalingActivities: whether the group is busy
  # autoscaling:DescribeInstanceRefreshes: whether a refresh is under way
  statement {
    sid       = "AutoscalingRead"
    effect    = "Allow"
    actions   = ["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes", "autoscaling:DescribePolicies", "autoscaling:DescribeScalingActivities", "autoscaling:DescribeScheduledActions"]
    resources = ["*"]
  }

  # cloudwatch:GetMetricData: the metrics themselves; AWS bills these calls
  # cloudwatch:DescribeAlarms: alarms that stop a change or are disturbed by it
  statement {
    sid       = "CloudwatchRead"
    effect    = "Allow"
    actions   = ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"]
    resources = ["*"]
  }

  # ec2:DescribeInstanceTypes: what each type offers
  # ec2:DescribeInstanceTypeOfferings: whether a zone has the type
  # ec2:DescribeLaunchTemplateVersions: what a group launches
  statement {
    sid       = "Ec2Read"
    effect    = "Allow"
    actions   = ["ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "trimtab_read_auto_scaling_group" {
  count = contains(var.kinds, "auto-scaling-group") ? 1 : 0

  name        = "TrimtabRead-auto-scaling-group"
  description = "What TrimtabRead may do with auto-scaling-group."
  policy      = data.aws_iam_policy_document.trimtab_read_auto_scaling_group.json
}

resource "aws_iam_role_policy_attachment" "trimtab_read_auto_scaling_group" {
  count = contains(var.kinds, "auto-scaling-group") ? 1 : 0

  role       = aws_iam_role.trimtab_read.name
  policy_arn = aws_iam_policy.trimtab_read_auto_scaling_group[0].arn
}

resource "aws_iam_role" "trimtab_apply" {
  count = var.access == "apply" ? 1 : 0

  name                 = "TrimtabApply"
  description          = "Trimtab applies changes with it, in copilot and autopilot only, in a session for each change."
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.trimtab_trust.json
}

data "aws_iam_policy_document" "trimtab_apply_ec2_instance" {
  # ec2:StopInstances: a type changes only while the machine is off
  # ec2:StartInstances: starts what was stopped
  statement {
    sid       = "Ec2ApplyInstance"
    effect    = "Allow"
    actions   = ["ec2:StartInstances", "ec2:StopInstances"]
    resources = ["arn:aws:ec2:*:*:instance/*"]
  }

  # ec2:ModifyInstanceAttribute: sets the instance type
  # Escalation: ec2:ModifyInstanceAttribute: without the limit it replaces user data, which runs as root with the machine's role, and security groups
  statement {
    sid       = "Ec2ApplyInstance2"
    effect    = "Allow"
    actions   = ["ec2:ModifyInstanceAttribute"]
    resources = ["arn:aws:ec2:*:*:instance/*"]

    condition {
      test     = "StringEquals"
      variable = "ec2:Attribute"
      values   = ["InstanceType"]
    }
  }

  # ec2:CreateTags: marks a machine before it is stopped
  # ec2:DeleteTags: removes the mark
  # Escalation: ec2:CreateTags: without the limit it sets tags by which other policies grant
  # Escalation: ec2:DeleteTags: without the limit it removes the tag that keeps Trimtab out
  statement {
    sid       = "Ec2ApplyInstance3"
    effect    = "Allow"
    actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
    resources = ["arn:aws:ec2:*:*:instance/*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = ["trimtab:change", "trimtab:was"]
    }

    condition {
      test     = "Null"
      variable = "aws:TagKeys"
      values   = ["false"]
    }
  }

  # elasticloadbalancing:DeregisterTargets: drains a machine before it is stopped
  # elasticloadbalancing:RegisterTargets: puts it back once it is well
  # Escalation: elasticloadbalancing:RegisterTargets: IAM cannot name the target: it can send a group's requests to another machine of the network
  statement {
    sid       = "ElasticloadbalancingApplyTargetGroup"
    effect    = "Allow"
    actions   = ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"]
    resources = ["arn:aws:elasticloadbalancing:*:*:targetgroup/*"]
  }

  # whatever carries the tag trimtab:exclude, with any value, is left alone
  statement {
    sid       = "Excluded"
    effect    = "Deny"
    actions   = ["ec2:CreateTags", "ec2:ModifyInstanceAttribute", "ec2:StopInstances", "elasticloadbalancing:DeregisterTargets"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/trimtab:exclude"
      values   = ["false"]
    }
  }

  # Trimtab never deletes these, or deletes are not switched on
  statement {
    sid       = "NoDeletes"
    effect    = "Deny"
    actions   = ["ec2:TerminateInstances"]
    resources = ["*"]
  }

  # of a machine nothing but its type is ever set: no user data, no role, no network
  statement {
    sid       = "NoOtherAttributes"
    effect    = "Deny"
    actions   = ["ec2:ModifyInstanceAttribute"]
    resources = ["*"]

    condition {
      test     = "StringNotEquals"
      variable = "ec2:Attribute"
      values   = ["InstanceType"]
    }
  }
}

resource "aws_iam_policy" "trimtab_apply_ec2_instance" {
  count = var.access == "apply" && contains(var.kinds, "ec2-instance") ? 1 : 0

  name        = "TrimtabApply-ec2-instance"
  description = "What TrimtabApply may do with ec2-instance."
  policy      = data.aws_iam_policy_document.trimtab_apply_ec2_instance.json
}

resource "aws_iam_role_policy_attachment" "trimtab_apply_ec2_instance" {
  count = var.access == "apply" && contains(var.kinds, "ec2-instance") ? 1 : 0

  role       = aws_iam_role.trimtab_apply[0].name
  policy_arn = aws_iam_policy.trimtab_apply_ec2_instance[0].arn
}

data "aws_iam_policy_document" "trimtab_apply_ebs_volume" {
  # ec2:ModifyVolume: sets type, IOPS and throughput; the size is never sent
  statement {
    sid       = "Ec2ApplyVolume"
    effect    = "Allow"
    actions   = ["ec2:ModifyVolume"]
    resources = ["arn:aws:ec2:*:*:volume/*"]
  }

  # whatever carries the tag trimtab:exclude, with any value, is left alone
  statement {
    sid       = "Excluded"
    effect    = "Deny"
    actions   = ["ec2:ModifyVolume"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/trimtab:exclude"
      values   = ["false"]
    }
  }

  # Trimtab never deletes these, or deletes are not switched on
  statement {
    sid       = "NoDeletes"
    effect    = "Deny"
    actions   = ["ec2:DeleteSnapshot", "ec2:DeleteVolume"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "trimtab_apply_ebs_volume" {
  count = var.access == "apply" && contains(var.kinds, "ebs-volume") ? 1 : 0

  name        = "TrimtabApply-ebs-volume"
  description = "What TrimtabApply may do with ebs-volume."
  policy      = data.aws_iam_policy_document.trimtab_apply_ebs_volume.json
}

resource "aws_iam_role_policy_attachment" "trimtab_apply_ebs_volume" {
  count = var.access == "apply" && contains(var.kinds, "ebs-volume") ? 1 : 0

  role       = aws_iam_role.trimtab_apply[0].name
  policy_arn = aws_iam_policy.trimtab_apply_ebs_volume[0].arn
}

data "aws_iam_policy_document" "trimtab_apply_lambda_function" {
  # lambda:UpdateFunctionConfiguration: sets the memory; IAM cannot limit it to that
  # lambda:PublishVersion: makes a version of the new memory for callers of an alias
  # lambda:UpdateAlias: gives that version a share of the alias's calls, then all; takes it back
  # Escalation: lambda:UpdateFunctionConfiguration: it can also set layers and environment variables, which run with the function's role; Trimtab sends the memory and nothing else
  # Escalation: lambda:UpdateAlias: it can point an alias at any version that was ever published, old code included
  statement {
    sid       = "LambdaApplyFunction"
    effect    = "Allow"
    actions   = ["lambda:PublishVersion", "lambda:UpdateAlias", "lambda:UpdateFunctionConfiguration"]
    resources = ["arn:aws:lambda:*:*:function:*"]
  }

  # whatever carries the tag trimtab:exclude, with any value, is left alone
  statement {
    sid       = "Excluded"
    effect    = "Deny"
    actions   = ["lambda:PublishVersion", "lambda:UpdateAlias", "lambda:UpdateFunctionConfiguration"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/trimtab:exclude"
      values   = ["false"]
    }
  }

  # Trimtab never deletes these, or deletes are not switched on
  statement {
    sid       = "NoDeletes"
    effect    = "Deny"
    actions   = ["lambda:DeleteAlias", "lambda:DeleteFunction"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "trimtab_apply_lambda_function" {
  count = var.access == "apply" && contains(var.kinds, "lambda-function") ? 1 : 0

  name        = "TrimtabApply-lambda-function"
  description = "What TrimtabApply may do with lambda-function."
  policy      = data.aws_iam_policy_document.trimtab_apply_lambda_function.json
}

resource "aws_iam_role_policy_attachment" "trimtab_apply_lambda_function" {
  count = var.access == "apply" && contains(var.kinds, "lambda-function") ? 1 : 0

  role       = aws_iam_role.trimtab_apply[0].name
  policy_arn = aws_iam_policy.trimtab_apply_lambda_function[0].arn
}

data "aws_iam_policy_document" "trimtab_apply_auto_scaling_group" {
  # autoscaling:UpdateAutoScalingGroup: sets the bounds; IAM cannot limit it to those
  # autoscaling:PutScheduledUpdateGroupAction: schedules a floor
  # autoscaling:DeleteScheduledAction: takes a schedule back
  # Escalation: autoscaling:UpdateAutoScalingGroup: it can also change what the group launches, which needs ec2:RunInstances and iam:PassRole beside it
  statement {
    sid       = "AutoscalingApplyGroup"
    effect    = "Allow"
    actions   = ["autoscaling:DeleteScheduledAction", "autoscaling:PutScheduledUpdateGroupAction", "autoscaling:UpdateAutoScalingGroup"]
    resources = ["arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/*"]
  }

  # whatever carries the tag trimtab:exclude, with any value, is left alone
  statement {
    sid       = "Excluded"
    effect    = "Deny"
    actions   = ["autoscaling:DeleteScheduledAction", "autoscaling:PutScheduledUpdateGroupAction", "autoscaling:UpdateAutoScalingGroup"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/trimtab:exclude"
      values   = ["false"]
    }
  }

  # Trimtab never deletes these, or deletes are not switched on
  statement {
    sid       = "NoDeletes"
    effect    = "Deny"
    actions   = ["autoscaling:DeleteAutoScalingGroup", "autoscaling:TerminateInstanceInAutoScalingGroup", "ec2:DeleteLaunchTemplate", "ec2:DeleteLaunchTemplateVersions", "ec2:TerminateInstances"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "trimtab_apply_auto_scaling_group" {
  count = var.access == "apply" && contains(var.kinds, "auto-scaling-group") ? 1 : 0

  name        = "TrimtabApply-auto-scaling-group"
  description = "What TrimtabApply may do with auto-scaling-group."
  policy      = data.aws_iam_policy_document.trimtab_apply_auto_scaling_group.json
}

resource "aws_iam_role_policy_attachment" "trimtab_apply_auto_scaling_group" {
  count = var.access == "apply" && contains(var.kinds, "auto-scaling-group") ? 1 : 0

  role       = aws_iam_role.trimtab_apply[0].name
  policy_arn = aws_iam_policy.trimtab_apply_auto_scaling_group[0].arn
}

output "role_arn" {
  value = aws_iam_role.trimtab_read.arn
}

output "apply_role_arn" {
  value = one(aws_iam_role.trimtab_apply[*].arn)
}
