data "aws_iam_policy_document" "trimtab_apply" {
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
