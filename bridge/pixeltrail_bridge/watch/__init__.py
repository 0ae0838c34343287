"""What an operator is told: metrics, alerts, and the word to the service manager."""
