"""Notifications: alerts of an engine to MQTT, webhooks, phones and mail (docs/notify.md)."""
