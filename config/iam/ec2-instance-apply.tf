data "aws_iam_policy_document" "trimtab_apply" {
  # ec2:StopInstances: a type changes only while the machine is off
  # ec2:StartInstances: starts what was stopped
  statement {
    sid       = "Ec2Apply"
    effect    = "Allow"
    actions   = ["ec2:StartInstances", "ec2:StopInstances"]
    resources = ["arn:aws:ec2:*:*:instance/*"]
  }

  # ec2:ModifyInstanceAttribute: sets the instance type
  statement {
    sid       = "Ec2Apply2"
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
  statement {
    sid       = "Ec2Apply3"
    effect    = "Allow"
    actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
    resources = ["arn:aws:ec2:*:*:instance/*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = ["trimtab:change", "trimtab:was"]
    }
  }

  # elasticloadbalancing:DeregisterTargets: drains a machine before it is stopped
  # elasticloadbalancing:RegisterTargets: puts it back once it is well
  statement {
    sid       = "ElasticloadbalancingApply"
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
}
