//! The sandbox of polkit's helper, in which polkit 127 checks passwords: whether the module can write its state there.

use std::collections::BTreeMap;
use std::path::Path;

use super::doctor_finding::DoctorFinding;

/// The PAM service of polkit.
pub const SERVICE: &str = "polkit-1";
/// The unit.
const UNIT: &str = "polkit-agent-helper@.service";
/// The directories of units, the strongest first (systemd.unit(5)).
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// The directories of its drop-ins, the most general first.
const DROP_INS: [&str; 4] = [
    "service.d",
    "polkit-.service.d",
    "polkit-agent-.service.d",
    "polkit-agent-helper@.service.d",
];

/// A helper that cannot write below `state`; `None` also where polkit has no such unit.
pub fn check(state: &Path) -> Option<DoctorFinding> {
    let texts = unit(&DIRECTORIES.map(Path::new))?;
    let state = state.display();
    let read_only = !is_writable(&texts, &state.to_string());
    read_only.then(|| {
        DoctorFinding::problem(
            "polkit-sandbox",
            SERVICE,
            format!("{UNIT} cannot write {state}: no attempt can be counted there, so polkit refuses users with a device"),
            format!("Put the lines [Service] and ReadWritePaths=-{state} into /etc/systemd/system/{UNIT}.d/twofactor.conf, then: systemctl daemon-reload"),
        )
    })
}

/// The unit and what its drop-ins add, in the order in which systemd reads them.
fn unit(directories: &[&Path]) -> Option<Vec<String>> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let whole = directories.iter().find_map(|path| read(&path.join(UNIT)))?;
    // Of two files of one name the one in the stronger directory counts, whatever it says; names set the order.
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for drop_ins in DROP_INS {
        for directory in directories.iter().rev() {
            let entries = std::fs::read_dir(directory.join(drop_ins));
            for entry in entries.into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with(".conf") {
                    let text = read(&entry.path()).unwrap_or_default();
                    names.insert(name, text);
                }
            }
        }
    }
    let mut texts = vec![whole];
    texts.extend(names.into_values());
    Some(texts)
}

/// True if the settings leave a directory writable (systemd.exec(5)).
fn is_writable(texts: &[String], directory: &str) -> bool {
    let (mut strict, mut writable) = (false, Vec::new());
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    for (key, value) in lines.filter_map(|line| line.split_once('=')) {
        match (key.trim_end(), value.trim_start()) {
            ("ProtectSystem", value) => strict = value == "strict",
            ("ReadWritePaths", "") => writable.clear(),
            ("ReadWritePaths", value) => {
                let path = |word: &str| {
                    word.trim_matches('"')
                        .trim_start_matches(['-', '+'])
                        .to_owned()
                };
                writable.extend(value.split_ascii_whitespace().map(path));
            }
            _ => {}
        }
    }
    let covers = |path: &String| Path::new(directory).starts_with(path);
    !strict || writable.iter().any(covers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "/var/lib/twofactor";
    const STRICT: &str = "[Service]\nProtectSystem=strict\n";

    #[test]
    fn paths_that_are_writable_are_found() {
        for (more, expected) in [
            ("", false),
            ("ReadWritePaths=-/var/lib/twofactor", true),
            ("ReadWritePaths=/run /var/lib", true),
            ("ReadWritePaths = \"-/var/lib/twofactor\"", true),
            ("ReadWritePaths=/var/lib/two", false),
            ("ReadWritePaths=-/var/lib/twofactor\nReadWritePaths=", false),
            ("# ReadWritePaths=-/var/lib/twofactor", false),
            ("ProtectSystem=full", true),
        ] {
            let texts = [STRICT.to_owned(), format!("[Service]\n{more}\n")];
            assert_eq!(is_writable(&texts, STATE), expected, "{more}");
        }
    }

    #[test]
    fn the_shipped_drop_in_is_enough() {
        let shipped = include_str!("../../../packaging/systemd/polkit-agent-helper.conf");
        let texts = [STRICT.to_owned(), shipped.to_owned()];
        assert!(is_writable(&texts, STATE));
    }
}
