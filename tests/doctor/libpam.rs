//! The forecast of `twofactor doctor` for a stack, beside the result of real libpam: hundreds of stacks, made up at
//! random but the same each time.

#[allow(dead_code, unused_imports, reason = "the command uses more of it")]
#[path = "../../cli/src/doctor/pam/mod.rs"]
mod pam;

use std::path::Path;

use harness::Machine;
use harness::pam::{Drive, PamOutcome};
use pam::{ConfigFile, ConfigFiles, ModuleCall, ReturnCode, dispatch, read};

const SERVICE: &str = "made-up";
const STACKS: u64 = 600;

/// The files of the machine, as libpam finds them.
struct Installed;

impl ConfigFiles for Installed {
    fn open(&self, name: &str) -> Option<ConfigFile> {
        let path = Path::new("/etc/pam.d").join(name);
        Some(ConfigFile {
            text: std::fs::read_to_string(&path).ok()?,
            path: path.display().to_string(),
        })
    }
}

/// Result of libpam: `Err` when it refused to begin, or the code and what each pam_debug said.
type Done = Result<(u8, Vec<String>), ()>;

fn expected(service: &str, ours: &str) -> Done {
    let service = read(&Installed, service).map_err(|_| ())?;
    let mut said = Vec::new();
    let walk = dispatch(&service.auth, &mut |_, module| {
        let code = answer(module, ours);
        if module.name() == "pam_debug.so" {
            said.push(module.arguments[0].clone());
        }
        code
    });
    Ok((walk.status.number(), said))
}

fn answer(module: &ModuleCall, ours: &str) -> ReturnCode {
    ReturnCode::named(match module.name() {
        "pam_debug.so" => module.arguments[0].strip_prefix("auth=").unwrap(),
        "pam_permit.so" => "success",
        "pam_deny.so" => "auth_err",
        "pam_twofactor.so" => ours,
        _ => "module_unknown",
    })
    .unwrap()
}

fn real(service: &str) -> Done {
    let outcome: PamOutcome = Drive::installed().service(service).user("root").run();
    match outcome.start {
        Some(_) => Err(()),
        None => {
            let said = outcome.messages.into_iter().map(|message| message.text);
            let said = said.filter(|text| text.starts_with("auth=")).collect();
            Ok((u8::try_from(outcome.auth).unwrap(), said))
        }
    }
}

fn files(machine: &Machine, files: &[(&str, String)]) {
    for (name, text) in files {
        machine.stack(name, text);
    }
}

#[test]
fn doctor_expects_of_made_up_stacks_what_libpam_does() {
    let machine = Machine::new();
    harness::module();
    machine.stack("other", "auth required pam_deny.so\n");
    // Answer of the module to a user without a device, by policy.
    let policies = [
        ("enabled = false\n", "ignore"),
        ("enabled = true\nenforcement = \"mandatory\"\n", "auth_err"),
        ("nonsense\n", "authinfo_unavail"),
    ];
    harness::enrolled::initialize(Path::new(twofactor_core::STATE_DIR));
    let (mut refused, mut accepted, mut called) = (0, 0, 0);
    for seed in 0..STACKS {
        let mut dice = Dice(seed);
        let (policy, ours) = policies[dice.roll(policies.len())];
        machine.policy(policy);
        let made_up = [
            (SERVICE, dice.file(&["one", "two", "three"])),
            ("one", dice.file(&["two", "three"])),
            ("two", dice.file(&["three", "nowhere"])),
            ("three", dice.file(&[])),
        ];
        files(&machine, &made_up);
        let done = real(SERVICE);
        assert_eq!(
            expected(SERVICE, ours),
            done,
            "seed {seed}, pam_twofactor.so answers {ours}: {made_up:#?}"
        );
        match done {
            Err(()) => refused += 1,
            Ok((code, said)) => {
                accepted += usize::from(code == 0);
                called += said.len();
            }
        }
    }
    // The dice must not miss what matters.
    assert!(refused > 5, "{refused}");
    assert!(accepted > 40, "{accepted}");
    assert!(called > 800, "{called}");
}

#[test]
fn doctor_reads_odd_lines_as_libpam_does() {
    let machine = Machine::new();
    machine.stack("other", "auth required pam_debug.so auth=acct_expired\n");
    machine.stack(
        "inner",
        "auth optional pam_debug.so auth=auth_err\naccount required pam_permit.so\n",
    );
    machine.stack("cut", "auth required pam_permit.so \\");
    let odd = [
        "account required pam_permit.so\n",
        "",
        "# nothing\n\n",
        "auth \\\n   # between\n\n required \\\n pam_debug.so auth=success",
        "auth required pam_debug.so auth=success # \\\nauth required pam_debug.so auth=success",
        "AUTH Required pam_debug.so auth=success",
        "auth [success=ok default=bad]pam_debug.so auth=success",
        "auth [SUCCESS=ok] pam_debug.so auth=success",
        "auth [required] pam_debug.so auth=success",
        "auth [] pam_debug.so auth=success",
        "auth [default=ignoresuccess=ok] pam_debug.so auth=success",
        "auth maybe pam_debug.so auth=success",
        "auth",
        "auth required",
        "auth include nowhere\nauth required pam_permit.so",
        "auth include cut\nauth required pam_debug.so auth=success",
        "auth required pam_permit.so \\\n",
        "bogus required pam_permit.so\nauth required pam_permit.so",
        "-auth required pam_no_such_module.so\nauth required pam_permit.so",
        "--auth required pam_permit.so",
        "@include inner more words\nauth required pam_permit.so",
        "-@INCLUDE inner\nauth required pam_permit.so",
        "@include /etc/pam.d/inner\nauth required pam_permit.so",
        "@include nowhere\nauth required pam_permit.so",
        "auth include /etc/pam.d/inner\nauth required pam_permit.so",
        "auth [success=1] pam_debug.so auth=success\nauth required pam_debug.so auth=success",
        "auth [success=2] pam_debug.so auth=success\nauth required pam_debug.so auth=success",
        "auth [success=ok] [/nowhere/pam x\\].so] a [b c]\n",
        "auth\trequired\tpam_permit.so\r\n",
    ];
    for text in odd {
        machine.stack(SERVICE, text);
        assert_eq!(expected(SERVICE, "ignore"), real(SERVICE), "{text:?}");
    }
    assert_eq!(
        expected("no-such-file", "ignore"),
        Ok((13, vec!["auth=acct_expired".to_owned()]))
    );
    assert_eq!(expected("no-such-file", "ignore"), real("no-such-file"));
}

/// A generator of numbers that are the same for the same seed (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }

    fn file(&mut self, others: &[&str]) -> String {
        let lines = 1 + self.roll(5);
        (0..lines).map(|_| self.line(others) + "\n").collect()
    }

    fn line(&mut self, others: &[&str]) -> String {
        let kind = self.pick(&["auth", "auth", "auth", "auth", "auth", "-auth", "account"]);
        match self.roll(20) {
            0..=4 if !others.is_empty() => {
                let how = self.pick(&["include", "substack"]);
                format!("{kind} {how} {}", self.pick(others))
            }
            // A file that takes in a missing one is read with what libpam left on its stack, which is not known.
            5 if others.contains(&"one") && self.roll(4) == 0 => "@include nowhere".to_owned(),
            5 if !others.is_empty() => format!("@include {}", others[0]),
            6 => format!("# {kind} required pam_deny.so"),
            7 => format!("{kind} \\\n {} {}", self.control(), self.module()),
            _ => format!("{kind} {} {}", self.control(), self.module()),
        }
    }

    fn control(&mut self) -> String {
        if self.roll(2) == 0 {
            let words = [
                "required",
                "required",
                "requisite",
                "sufficient",
                "optional",
            ];
            return self.pick(&words).to_owned();
        }
        let mut values = Vec::new();
        for code in [
            "success",
            "auth_err",
            "ignore",
            "new_authtok_reqd",
            "default",
        ] {
            if self.roll(2) == 0 {
                let action = self.pick(&[
                    "ok", "ok", "ignore", "done", "bad", "die", "reset", "1", "2", "3",
                ]);
                values.push(format!("{code}={action}"));
            }
        }
        format!("[{}]", values.join(" "))
    }

    fn module(&mut self) -> String {
        let code = self.pick(&[
            "success",
            "success",
            "success",
            "auth_err",
            "ignore",
            "maxtries",
            "new_authtok_reqd",
        ]);
        match self.roll(12) {
            0 => "pam_permit.so".to_owned(),
            1 => "pam_deny.so".to_owned(),
            2 => "pam_no_such_module.so".to_owned(),
            3 | 4 => "pam_twofactor.so".to_owned(),
            _ => format!("pam_debug.so auth={code}"),
        }
    }
}
