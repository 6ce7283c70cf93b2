//! What a service manager is told (systemd's `sd_notify`): that clients may come, and that the server stops. Without one
//! nobody is told anything.

use sd_notify::NotifyState;

/// Clients may come.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// The server drains, and ends.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(why) = sd_notify::notify(&[state]) {
        log::warn!("the service manager was not told: {why}");
    }
}
