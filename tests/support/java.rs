//! Debian's Java and ActiveMQ packages: the class path, and the project's own Java classes
//! (`tests/interop/java`), compiled once for each content of the sources.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const PACKAGES: &str = "activemq libactivemq-java openjdk-17-jdk-headless";
const JARS: &[&str] = &[
    "activemq-client",
    "activemq-broker",
    "activemq-kahadb-store",
    "activemq-protobuf",
    "activemq-openwire-legacy",
    "hawtbuf",
    "geronimo-jms_1.1_spec",
    "geronimo-j2ee-management-1.1-spec",
    "jackson-core",
    "jackson-databind",
    "jackson-annotations",
    "slf4j-api",
    "slf4j-simple",
];

/// A `java` command that runs a class of `tests/interop/java`; short-lived, so tuned to start fast.
pub fn java(class: &str) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"])
        .arg("-Djava.net.preferIPv4Stack=true")
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .args(["-cp", class_path(), class]);
    command
}

fn class_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let jars = jars();
        format!("{}:{jars}", compiled(&jars).display())
    })
}

fn jars() -> String {
    let path = |jar: &&str| Path::new("/usr/share/java").join(format!("{jar}.jar"));
    let paths: Vec<PathBuf> = JARS.iter().map(path).collect();
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        panic!(
            "{} is missing; install it with: apt-get install --no-install-recommends {PACKAGES}",
            missing.display()
        );
    }
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

/// The folder of compiled classes, put in place by a rename so that test binaries that run beside
/// each other never see half of it.
fn compiled(jars: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/java");
    let mut sources: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("tests/interop/java is there")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    sources.sort();
    let mut hasher = DefaultHasher::new();
    for source in &sources {
        std::fs::read(source).expect("a readable source").hash(&mut hasher);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let classes = target.join(format!("interop-java-{:016x}", hasher.finish()));
    if !classes.exists() {
        let fresh = target.join(format!("interop-java-new-{}", std::process::id()));
        let output = Command::new("javac")
            .args(["-nowarn", "-XDsuppressNotes", "-cp", jars, "-d"])
            .arg(&fresh)
            .args(&sources)
            .output()
            .unwrap_or_else(|e| panic!("cannot run javac ({e}); it is in {PACKAGES}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "javac failed:\n{errors}");
        if std::fs::rename(&fresh, &classes).is_err() {
            std::fs::remove_dir_all(&fresh).expect("the losing copy can go");
        }
    }
    classes
}
