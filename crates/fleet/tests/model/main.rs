//! An exhaustive model of attempts in a fleet: hosts, a store that loses and delays, outages, a restored backup.
//!
//! `make model` searches scenes of four attempts on three hosts, `make test` small ones. A rule that is broken must be found.
#![cfg(test)]

mod promises;
mod restorations;
mod rules;
mod search;
mod session_steps;
mod store_steps;
mod world;

use restorations::RestorationRules;
use rules::{ALL, FleetRules, FleetScene, RestoreScene, SCENE};

#[track_caller]
fn holds(name: &str, scene: FleetScene, rules: FleetRules) {
    match search::all(&scene, &rules) {
        Ok(worlds) => println!("{name}: {worlds} worlds, all promises hold"),
        Err(broken) => panic!("{name}: {}\n{}", broken.promise, broken.story.join("\n")),
    }
}

#[track_caller]
fn breaks(name: &str, scene: FleetScene, rules: FleetRules) {
    match search::all(&scene, &rules) {
        Ok(worlds) => panic!("{name}: {worlds} worlds, and nothing was found"),
        Err(broken) => println!(
            "{name}: {}, in {} steps",
            broken.promise,
            broken.story.len()
        ),
    }
}

/// A scene for `make test`: two attempts.
const SMALL: FleetScene = FleetScene {
    sessions: 2,
    tries: 1,
    ..SCENE
};
const SMALL_LOCAL: FleetScene = FleetScene {
    local: true,
    cuts: 2,
    ..SMALL
};
const LOCAL: FleetScene = FleetScene {
    local: true,
    cuts: 2,
    ..SCENE
};
const RESTORED: FleetScene = FleetScene {
    restore: RestoreScene::AfterAllBeats,
    beats: 2,
    tries: 1,
    ..SCENE
};

#[test]
fn the_rules_keep_the_promises_in_small_scenes() {
    holds("one code, two hosts", SMALL, ALL);
    holds("outages, judged locally", SMALL_LOCAL, ALL);
    let wrong = FleetScene { right: 0, ..SMALL };
    holds("wrong codes", wrong, ALL);
    let restored = FleetScene {
        sessions: 2,
        crashes: 0,
        tries: 0,
        ..RESTORED
    };
    holds("a restored backup", restored, ALL);
    let renewed = FleetScene {
        restore: RestoreScene::ThenNewEpoch,
        ..restored
    };
    holds("a restored backup and a new epoch", renewed, ALL);
}

#[test]
fn a_broken_rule_of_writes_is_found() {
    let rules = FleetRules {
        compared_base: false,
        ..ALL
    };
    breaks("blind put", SCENE, rules);
    let rules = FleetRules {
        read_back: false,
        ..ALL
    };
    breaks("time-out taken as success", SMALL, rules);
    let rules = FleetRules {
        no_early_release: false,
        ..ALL
    };
    breaks("release before commit", SMALL, rules);
    let scene = FleetScene {
        crashes: 0,
        tries: 3,
        no_code_is_lost: true,
        ..SMALL
    };
    holds("attempt ids: no right code is lost", scene, ALL);
    let rules = FleetRules {
        attempt_id: false,
        ..ALL
    };
    breaks("no attempt ids", scene, rules);
}

#[test]
fn a_broken_rule_of_outages_is_found() {
    let rules = FleetRules {
        write_through: false,
        own_file_agrees: false,
        ..ALL
    };
    breaks("no write-through", LOCAL, rules);
    let rules = FleetRules {
        file_lock: false,
        own_file_agrees: false,
        ..ALL
    };
    breaks(
        "fallback beside the store without lock and recheck",
        LOCAL,
        rules,
    );
    let rules = FleetRules {
        join: false,
        own_file_agrees: false,
        ..ALL
    };
    breaks("no join", LOCAL, rules);
}

#[test]
fn a_broken_rule_of_backups_is_found() {
    let any_time = FleetScene {
        restore: RestoreScene::AtAnyTime,
        ..RESTORED
    };
    let rules = FleetRules {
        host_beat: false,
        ..ALL
    };
    breaks("restore without beats", any_time, rules);
    let scene = FleetScene {
        beats: 1,
        ..any_time
    };
    breaks("a host that never beat since the snapshot", scene, ALL);
    let scene = FleetScene {
        restore: RestoreScene::WithOldWrites,
        ..RESTORED
    };
    breaks("an old transaction surviving the restore", scene, ALL);
}

#[test]
fn restorations_keep_the_promises() {
    let worlds = restorations::search(restorations::ALL, 2);
    assert!(worlds.is_ok(), "{worlds:?}");
}

#[test]
fn a_broken_rule_of_restorations_is_found() {
    const ALL: RestorationRules = restorations::ALL;
    for (name, rules) in [
        (
            "says so",
            RestorationRules {
                says_so: false,
                ..ALL
            },
        ),
        (
            "own restoration",
            RestorationRules {
                own_restoration: false,
                ..ALL
            },
        ),
        (
            "forgotten first",
            RestorationRules {
                forgotten_first: false,
                ..ALL
            },
        ),
        (
            "later epoch",
            RestorationRules {
                later_epoch: false,
                ..ALL
            },
        ),
    ] {
        let broken = restorations::search(rules, 2);
        println!("no {name}: {broken:?}");
        assert!(broken.is_err(), "{name}");
    }
}

/// The rules of attempts have one name in the model and where the code states them.
#[test]
fn the_code_names_the_rules_as_the_model() {
    let store = include_str!("../../src/attempt_steps/shared_attempt.rs");
    let host = include_str!("../../../store/src/attempt/shared_code.rs");
    for (code, rule) in [
        (store, "compared_base"),
        (store, "attempt_id"),
        (store, "read_back"),
        (store, "no_early_release"),
        (store, "host_beat"),
        (store, "newest_revision"),
        (host, "own_file_agrees"),
        (host, "write_through"),
        (host, "file_lock"),
        (host, "join"),
    ] {
        let name = rule.replace('_', " ");
        assert!(code.contains(&format!("* **{name}**")), "{name}");
        let rules = include_str!("rules.rs");
        assert!(rules.contains(&format!("pub {rule}: bool")), "{rule}");
    }
}

#[cfg(feature = "whole-model")]
mod whole {
    use super::*;

    const LARGE: FleetScene = FleetScene {
        hosts: 3,
        sessions: 4,
        tries: 1,
        ..SCENE
    };

    #[test]
    fn one_code_on_three_hosts_works_once() {
        holds("three attempts", SCENE, ALL);
        let rules = FleetRules {
            file_lock: false,
            ..ALL
        };
        holds("three attempts, no lock", SCENE, rules);
        holds("four attempts on three hosts", LARGE, ALL);
    }

    #[test]
    fn wrong_codes_and_a_mix_break_no_rule() {
        let wrong = FleetScene { right: 0, ..LARGE };
        holds("four wrong codes on three hosts", wrong, ALL);
        let mixed = FleetScene {
            hosts: 2,
            right: 0b0011,
            cuts: 1,
            ..LARGE
        };
        holds("two right, two wrong, cut off", mixed, ALL);
    }

    #[test]
    fn outages_that_deny_or_judge_break_no_rule() {
        let cut = FleetScene { cuts: 2, ..SCENE };
        holds("cut off, denied", cut, ALL);
        let rules = FleetRules {
            newest_revision: false,
            ..ALL
        };
        holds("older revisions", SCENE, rules);
        let cut = FleetScene { cuts: 3, ..LOCAL };
        holds("cut off, judged locally", cut, ALL);
        let rules = FleetRules {
            file_lock: false,
            ..ALL
        };
        holds("cut off, judged locally, no lock", LOCAL, rules);
        let large = FleetScene {
            local: true,
            cuts: 2,
            crashes: 0,
            ..LARGE
        };
        holds("four attempts on three hosts, cut off", large, ALL);
    }

    #[test]
    fn three_restorations_break_no_rule() {
        let worlds = restorations::search(restorations::ALL, 3);
        println!("three restorations: {worlds:?}");
        assert!(worlds.is_ok(), "{worlds:?}");
    }

    #[test]
    fn restored_backups_break_no_rule() {
        holds("restored", RESTORED, ALL);
        let local = FleetScene {
            sessions: 2,
            cuts: 1,
            local: true,
            crashes: 0,
            ..RESTORED
        };
        holds("restored, judged locally", local, ALL);
        let renewed = FleetScene {
            sessions: 2,
            restore: RestoreScene::ThenNewEpoch,
            ..RESTORED
        };
        holds("restored, a new epoch", renewed, ALL);
    }
}
