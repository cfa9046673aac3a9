"""A process that answers in place of every simulated pod's vLLM, and says that it is one."""
