//! Certificates of a cluster: an authority, the members', and those of hosts.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A new key of the curve P-256 without a passphrase.
const NEW_KEY: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
];

/// An authority, a certificate of the members, and one of the hosts. That of the hosts has an empty name: etcd's gateway
/// refuses clients with a name once there are users.
pub fn create(directory: &Path) {
    let authority = ["req", "-x509", "-subj", "/CN=test authority", "-days", "2"];
    let files = ["-keyout", "ca.key", "-out", "ca.crt"];
    openssl(directory, &[&authority[..], &NEW_KEY, &files].concat());
    let server = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";
    sign(directory, "server", "/CN=member", server);
    sign(
        directory,
        "client",
        "/O=fleet",
        "extendedKeyUsage=clientAuth\n",
    );
}

/// A certificate of the authority: files `NAME.crt` and `NAME.key`.
pub fn sign(directory: &Path, name: &str, subject: &str, extensions: &str) {
    sign_for(directory, name, subject, (extensions, "2"));
}

/// A certificate of a host, whose time is over.
pub fn sign_expired(directory: &Path, name: &str) {
    let extensions = "extendedKeyUsage=clientAuth\n";
    sign_for(directory, name, "/O=fleet", (extensions, "-1"));
}

fn sign_for(directory: &Path, name: &str, subject: &str, (extensions, days): (&str, &str)) {
    let file = |suffix: &str| format!("{name}.{suffix}");
    let (key, request, signed) = (file("key"), file("csr"), file("crt"));
    let extension_file = file("ext");
    fs::write(directory.join(&extension_file), extensions).unwrap();
    let new = [
        "req", "-new", "-subj", subject, "-keyout", &key, "-out", &request,
    ];
    openssl(directory, &[&new[..], &NEW_KEY].concat());
    let by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    let given = [
        "-in",
        &request,
        "-extfile",
        &extension_file,
        "-out",
        &signed,
    ];
    let sign = [&["x509", "-req", "-days", days][..], &by, &given].concat();
    openssl(directory, &sign);
}

fn openssl(directory: &Path, words: &[&str]) {
    let done = Command::new("openssl")
        .current_dir(directory)
        .args(words)
        .output()
        .unwrap();
    assert!(done.status.success(), "{words:?}: {done:?}");
}
