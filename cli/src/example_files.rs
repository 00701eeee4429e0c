//! The example PAM files, where the package or `make install` has put them.

use std::path::Path;

/// Directories in which they can be: of the Debian package, of the RPM, and of `make install`.
const DIRECTORIES: [&str; 3] = [
    "/usr/share/doc/libpam-twofactor/examples/pam.d",
    "/usr/share/doc/pam_twofactor/pam.d",
    "/usr/local/share/doc/pam_twofactor/pam.d",
];
/// Their name where none of these is there: machines can leave documents out of packages.
const OF_SOURCES: &str = "pam.d of the source archive";

/// The directory of the examples on this machine, for a sentence.
pub fn directory() -> &'static str {
    first(&DIRECTORIES, &|directory| Path::new(directory).is_dir()).unwrap_or(OF_SOURCES)
}

/// One example on this machine, for a sentence.
pub fn file(name: &str) -> String {
    match first(&DIRECTORIES, &|directory| {
        Path::new(directory).join(name).is_file()
    }) {
        Some(directory) => format!("{directory}/{name}"),
        None => format!("{name} of {OF_SOURCES}"),
    }
}

fn first(directories: &[&'static str], is_there: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    directories.iter().copied().find(|it| is_there(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directory_that_is_there_counts() {
        let [debian, rpm, _] = DIRECTORIES;
        assert_eq!(first(&DIRECTORIES, &|it| it == rpm), Some(rpm));
        assert_eq!(first(&DIRECTORIES, &|_| true), Some(debian));
        assert_eq!(first(&DIRECTORIES, &|_| false), None);
    }
}
