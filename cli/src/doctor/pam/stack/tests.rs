//! Files by name, put together.

use super::*;

/// Files by name; those that `@include` finds by path.
struct GivenFiles<'a>(&'a [(&'a str, &'a str)]);

impl ConfigFiles for GivenFiles<'_> {
    fn open(&self, name: &str) -> Option<ConfigFile> {
        let name = name.strip_prefix("/etc/pam.d/").unwrap_or(name);
        let (_, text) = self.0.iter().find(|(known, _)| *known == name)?;
        Some(ConfigFile {
            path: format!("/etc/pam.d/{name}"),
            text: (*text).to_owned(),
        })
    }
}

fn service(files: &[(&str, &str)]) -> Result<ServiceStacks, ConfigError> {
    read(&GivenFiles(files), "test")
}

/// The auth lines of the service `test`.
pub fn auth(files: &[(&str, &str)]) -> Vec<StackHandler> {
    service(files).unwrap().auth
}

fn names(handlers: &[StackHandler]) -> Vec<(usize, &str)> {
    let name = |handler: &'_ StackHandler| match &handler.run {
        HandlerType::Module(module) => module.path.as_str().to_owned(),
        HandlerType::Fails(_) => "fails".to_owned(),
        HandlerType::Substack => "substack".to_owned(),
    };
    let names = handlers
        .iter()
        .map(|handler| (handler.level, name(handler)));
    names
        .map(|(level, name)| (level, &*Box::leak(name.into_boxed_str())))
        .collect()
}

#[test]
fn other_stands_in_for_a_file_and_for_a_kind_of_line() {
    let other = ("other", "auth required deny\naccount required deny");
    assert_eq!(service(&[other]).unwrap().file, None);
    assert_eq!(names(&auth(&[other])), [(0, "deny")]);
    let own = ("test", "auth required own");
    let both = service(&[own, other]).unwrap();
    assert_eq!(names(&both.auth), [(0, "own")]);
    assert_eq!(names(&both.account), [(0, "deny")]);
    assert!(service(&[]).is_err());
}

#[test]
fn files_are_taken_in_where_they_are_named() {
    let files = [
        (
            "test",
            "auth required a\n@include common\nauth substack inner\n-auth optional z x y",
        ),
        (
            "common",
            "account required c\nauth include inner\nauth required b",
        ),
        ("inner", "auth required i\naccount required no"),
    ];
    assert_eq!(
        names(&auth(&files)),
        [
            (0, "a"),
            (0, "i"),
            (0, "b"),
            (0, "substack"),
            (1, "i"),
            (0, "z")
        ]
    );
    let account = service(&files).unwrap().account;
    assert_eq!(names(&account), [(0, "c")]);
    assert_eq!(account[0].place.to_string(), "/etc/pam.d/common line 1");
}

#[test]
fn lines_that_cannot_be_used_refuse() {
    for line in [
        "auth",
        "auth required",
        "bogus required a",
        "auth include nowhere",
        "auth include",
    ] {
        assert_eq!(names(&auth(&[("test", line)])), [(0, "fails")], "{line}");
    }
    assert_eq!(
        names(&auth(&[("test", "auth substack nowhere")])),
        [(0, "substack"), (0, "fails")]
    );
}

#[test]
fn a_missing_include_refuses_the_service() {
    let broken = service(&[("test", "auth required a\n@include nowhere")]).unwrap_err();
    assert_eq!(broken.place.unwrap().to_string(), "/etc/pam.d/test line 2");
    assert!(service(&[("test", "@include")]).is_err());
    assert!(service(&[("test", "auth required a \\")]).is_err());
    assert_eq!(
        names(&auth(&[("test", "auth include in"), ("in", "@include no")])),
        [(0, "fails")]
    );
}

#[test]
fn files_that_take_in_themselves_come_to_an_end() {
    let handlers = auth(&[("test", "auth include test\nauth required a")]);
    assert_eq!(names(&handlers)[0], (0, "fails"));
    assert!(service(&[("test", "@include test")]).is_err());
    assert!(!auth(&[("test", "auth substack test")]).is_empty());
}
