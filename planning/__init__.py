"""Pure decisions: from settings and facts to a plan that components only translate."""
