//! Calls that change a user's factor, put to the daemon and to the model.

use serde_json::{Value, json};

use super::{NAMES, Play, word};
use crate::daemon_rules::ProofModel;
use crate::pending_model::{DIGITS, PendingModel, PendingProof};

impl Play<'_> {
    pub(super) fn begins(&mut self) -> Option<()> {
        let (talk, called) = self.asker()?;
        let name = NAMES[self.below(NAMES.len())?];
        let code = self.code(talk)?;
        let mut parameters = json!({
            "user": called, "device": name, "kind": "hotp", "algorithm": "SHA1", "digits": DIGITS
        });
        add_code(&mut parameters, code.as_deref());
        let reply = self.call(talk, "Begin", &parameters)?;
        let proven = self.allowed(talk, called).and_then(|user| {
            self.talks[talk].pending = None;
            if name == "all" {
                return Err("InvalidParameter");
            }
            let call = self.proof(talk, code.as_deref());
            self.users[user].begin(name, &call)
        });
        match proven {
            Err(refused) => assert_eq!(word(&reply), refused, "{reply}"),
            Ok(proof) => self.shown(talk, &reply, name, proof, None),
        }
        Some(())
    }

    pub(super) fn renews(&mut self) -> Option<()> {
        let (talk, called) = self.asker()?;
        let name = [None, Some(NAMES[0]), Some(NAMES[1])][self.below(3)?];
        let code = self.code(talk)?;
        let parameters = of_device(called, name, code.as_deref());
        let reply = self.call(talk, "Renew", &parameters)?;
        let proven = self.allowed(talk, called).and_then(|user| {
            self.talks[talk].pending = None;
            let call = self.proof(talk, code.as_deref());
            let (proof, old) = self.users[user].renew(name, &call)?;
            let mut tokens = self.users[user].tokens.iter();
            let token = tokens.find(|token| token.number == old);
            Ok((proof, old, token.expect("the device").name.clone()))
        });
        match proven {
            Err(refused) => assert_eq!(word(&reply), refused, "{reply}"),
            Ok((proof, old, name)) => self.shown(talk, &reply, &name, proof, Some(old)),
        }
        Some(())
    }

    /// A device is shown, and is in no file.
    fn shown(
        &mut self,
        talk: usize,
        reply: &Value,
        name: &str,
        proof: PendingProof,
        replaces: Option<u64>,
    ) {
        assert_eq!(word(reply), "pending", "{reply}");
        let key = reply["parameters"]["secret"].as_str().expect("a key");
        let stored = |(_, content): &(_, Vec<u8>)| String::from_utf8_lossy(content).contains(key);
        assert!(!self.machine.files().iter().any(stored), "a key is stored");
        let pending = PendingModel::new(key, name, proof, replaces, self.now);
        self.talks[talk].pending = Some(pending);
    }

    pub(super) fn confirms(&mut self) -> Option<()> {
        let (talk, called) = self.asker()?;
        let code = self.code(talk)?;
        let mut parameters = json!({"user": called});
        add_code(&mut parameters, code.as_deref());
        let reply = self.call(talk, "Confirm", &parameters)?;
        let expected = match self.allowed(talk, called) {
            Err(refused) => refused,
            Ok(user) => self.confirmed(talk, user, code.as_deref(), &reply),
        };
        assert_eq!(word(&reply), expected, "{reply}");
        self.is_as_stored();
        Some(())
    }

    fn confirmed(
        &mut self,
        talk: usize,
        user: usize,
        code: Option<&str>,
        reply: &Value,
    ) -> &'static str {
        let now = self.now;
        let pending = self.talks[talk].pending.take();
        let Some(mut pending) = pending.filter(|pending| pending.waits(now)) else {
            return "nothing_pending";
        };
        let Some(code) = code else {
            self.talks[talk].pending = Some(pending);
            return "code_required";
        };
        let next = match pending.confirm(code) {
            Ok(next) => next,
            Err(left) => {
                assert_eq!(reply["parameters"]["tries_left"], left);
                if left > 0 {
                    self.talks[talk].pending = Some(pending);
                }
                return "wrong";
            }
        };
        self.number += 1;
        let (number, rules) = (self.number, self.rules);
        let model = &mut self.users[user];
        if let Err(refused) = model.store(pending, next, number, rules, now) {
            return refused;
        }
        let codes = recovery_codes(reply);
        assert_eq!(codes.is_empty(), model.set != 0, "{reply}");
        if !codes.is_empty() {
            self.number += 1;
            self.users[user].take_recovery_codes(&codes, self.number);
        }
        "stored"
    }

    pub(super) fn unsets(&mut self) -> Option<()> {
        let (talk, called) = self.asker()?;
        // Without a name, also with the devices that there are, or with one less.
        let choice = self.below(9)?;
        let name = [None, Some(NAMES[0]), Some(NAMES[1])][choice % 3];
        let shown = name
            .is_none()
            .then(|| self.shown_names(talk, choice / 3))
            .flatten();
        let code = self.code(talk)?;
        let mut parameters = of_device(called, name, code.as_deref());
        if let Some(shown) = &shown {
            parameters["all"] = json!(shown);
        }
        let reply = self.call(talk, "Unset", &parameters)?;
        let removed = self.allowed(talk, called).and_then(|user| {
            let call = self.proof(talk, code.as_deref());
            self.users[user].unset(name, shown.as_deref(), &call)
        });
        assert_eq!(word(&reply), removed.err().unwrap_or("removed"), "{reply}");
        self.is_as_stored();
        Some(())
    }

    /// The names of the devices of a caller: not given, all of them, or those without the last one.
    fn shown_names(&self, talk: usize, choice: usize) -> Option<Vec<String>> {
        let tokens = &self.users[self.talks[talk].user].tokens;
        let names = tokens.iter().map(|token| token.name.clone());
        match choice {
            0 => None,
            1 => Some(names.collect()),
            _ => Some(names.take(tokens.len().saturating_sub(1)).collect()),
        }
    }

    pub(super) fn replaces_codes(&mut self) -> Option<()> {
        let (talk, called) = self.asker()?;
        let code = self.code(talk)?;
        let mut parameters = json!({"user": called});
        add_code(&mut parameters, code.as_deref());
        let reply = self.call(talk, "NewRecoveryCodes", &parameters)?;
        let replaced = self.allowed(talk, called).and_then(|user| {
            let call = self.proof(talk, code.as_deref());
            self.users[user].new_recovery_codes(&call)?;
            Ok(user)
        });
        assert_eq!(
            word(&reply),
            replaced.err().unwrap_or("replaced"),
            "{reply}"
        );
        if let Ok(user) = replaced {
            self.number += 1;
            self.users[user].take_recovery_codes(&recovery_codes(&reply), self.number);
        }
        Some(())
    }

    /// The user whose call it is, where users may make changes.
    fn allowed(&self, talk: usize, name: &str) -> Result<usize, &'static str> {
        let user = self.own(talk, name).ok_or("NotYours")?;
        if self.rules.manage {
            Ok(user)
        } else {
            Err("NotAllowed")
        }
    }

    fn proof<'c>(&self, talk: usize, code: Option<&'c str>) -> ProofModel<'c> {
        ProofModel {
            rules: self.rules,
            now: self.now,
            code,
            session: self.talks[talk].session,
        }
    }
}

/// The parameters of a call about a device that there is.
fn of_device(called: &str, name: Option<&str>, code: Option<&str>) -> Value {
    let mut parameters = json!({"user": called});
    if let Some(name) = name {
        parameters["device"] = json!(name);
    }
    add_code(&mut parameters, code);
    parameters
}

fn add_code(parameters: &mut Value, code: Option<&str>) {
    if let Some(code) = code {
        parameters["code"] = json!(code);
    }
}

fn recovery_codes(reply: &Value) -> Vec<String> {
    let codes = reply["parameters"]["recovery_codes"].as_array();
    let codes = codes.into_iter().flatten();
    codes
        .filter_map(|code| Some(code.as_str()?.to_owned()))
        .collect()
}
