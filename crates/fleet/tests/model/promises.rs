//! The promises of a fleet in every world.

use crate::rules::{FleetScene, RestoreScene};
use crate::world::{FleetWorld, LIMIT, SessionEnd, SessionStage};

/// The promise that is broken in this world.
pub fn broken(scene: &FleetScene, world: &FleetWorld) -> Option<&'static str> {
    let by_itself: u8 = world.hosts.iter().map(|host| host.told_by_itself).sum();
    let told = world.told_by_store + by_itself;
    let is_wrong_only = scene.right == 0 && scene.restore == RestoreScene::Never;
    let sessions = &world.sessions[..scene.sessions];
    let is_compared = |end| matches!(end, SessionEnd::Accepted | SessionEnd::Rejected);
    let mut all = sessions.iter();
    let all_compared = all.all(|it| it.stage == SessionStage::Ended && is_compared(it.end));
    [
        (world.told_by_store > 1, "the store let one code in twice"),
        (
            world.hosts.iter().any(|host| host.told > 1),
            "one host let a code in twice",
        ),
        (!scene.local && told > 1, "one code was accepted twice"),
        (
            world.is_uncounted,
            "a result was told that the store does not know",
        ),
        (
            is_wrong_only && !scene.local && world.told_wrong > LIMIT,
            "more wrong codes were compared and told than the limit",
        ),
        (
            scene.no_code_is_lost && all_compared && told == 0,
            "a right code was used up, and let no one in",
        ),
    ]
    .into_iter()
    .find_map(|(is_broken, promise)| is_broken.then_some(promise))
}
