data "aws_iam_policy_document" "trimtab_read" {
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
