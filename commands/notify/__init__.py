"""`partstream notify`: alerts to MQTT, webhooks, phones and mail."""
