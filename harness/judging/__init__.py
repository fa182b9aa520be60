"""What several checks share: steps, power, excuses, second calls. Nothing here is a check."""
