"""Who is told of an alert."""

from monitor.config import Config
from monitor.models import Alert, Notification


def route(alert: Alert, config: Config) -> tuple[str, ...]:
    """The names of the receivers of an alert, in the order of the configuration."""
    return alert.receivers or config.route_to


def notifications_for(alert: Alert, config: Config) -> list[Notification]:
    """One notification for each receiver; its key is the same whenever it is made of the same alert."""
    return [
        Notification(key=f"{alert.id}.{receiver}", receiver=receiver, alerts=(alert,))
        for receiver in route(alert, config)
    ]
