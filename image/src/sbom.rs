//! What is in an image, as a CycloneDX bill of materials: the crates of the binary, Debian's
//! packages, and what compiled.

use crate::initramfs::Release;
use crate::lock::Lock;
use crate::tool;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-musl";

/// The bill as JSON; the same inputs give the same octets.
pub(crate) fn make(project: &Path, used: &Lock, release: &Release) -> Result<String, String> {
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.current_dir(project);
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]);
    let metadata = tool::run(&mut cargo)?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let lock = std::fs::read_to_string(project.join("Cargo.lock")).map_err(|e| e.to_string())?;
    let mut components = crates(&metadata, &sums(&lock)?)?;
    components.extend(used.input.iter().map(|(name, row)| {
        if row.source == "host" {
            let sums = json!([{ "alg": "SHA-256", "content": row.sha256 }]);
            return json!({ "type": "application", "name": name, "version": row.version,
                "scope": "excluded", "hashes": sums });
        }
        let version = row.version.replace('+', "%2B").replace(':', "%3A");
        let purl = format!("pkg:deb/debian/{name}@{version}?arch=arm64");
        component(name, &row.version, &purl, &row.sha256)
    }));
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": date(release.built)?,
            "component": {
                "type": "firmware",
                "name": format!("mailroom-{}", release.board),
                "version": release.version,
            },
        },
        "components": components,
    });
    let text = serde_json::to_string_pretty(&bill).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

fn component(name: &str, version: &str, purl: &str, sha256: &str) -> Value {
    let sums = json!([{ "alg": "SHA-256", "content": sha256 }]);
    json!({ "type": "library", "name": name, "version": version, "purl": purl, "hashes": sums })
}

/// SHA-256 of each crate by name and version.
fn sums(lock: &str) -> Result<BTreeMap<(String, String), String>, String> {
    let lock: toml::Table = toml::from_str(lock).map_err(|error| error.to_string())?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let text = |package: &toml::Value, name: &str| Some(package.get(name)?.as_str()?.to_string());
    Ok(packages
        .filter_map(|p| Some(((text(p, "name")?, text(p, "version")?), text(p, "checksum")?)))
        .collect())
}

/// The crates that are compiled into the binary, not those that only build or test it.
fn crates(
    metadata: &Value,
    sums: &BTreeMap<(String, String), String>,
) -> Result<Vec<Value>, String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let nodes: BTreeMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|n| (text(&n["id"]), n)).collect();
    let packages = list(&metadata["packages"]);
    let root = packages.iter().find(|package| package["name"] == "mailroom");
    let mut open = vec![text(&root.ok_or("cargo knows no package mailroom")?["id"])];
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !reached.insert(id.clone()) {
            continue;
        }
        let node = nodes.get(&id).unwrap_or(&Value::Null);
        for needed in list(&node["deps"]) {
            if list(&needed["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                open.push(text(&needed["pkg"]));
            }
        }
    }
    let mut found: Vec<(String, String, String)> = packages
        .iter()
        .filter(|package| reached.contains(&text(&package["id"])) && !package["source"].is_null())
        .map(|p| (text(&p["name"]), text(&p["version"]), text(&p["license"])))
        .collect();
    found.sort();
    Ok(found
        .into_iter()
        .map(|(name, version, licence)| {
            let purl = format!("pkg:cargo/{name}@{version}");
            let sum = sums.get(&(name.clone(), version.clone())).map_or("", String::as_str);
            let mut component = component(&name, &version, &purl, sum);
            component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
            component
        })
        .collect())
}

fn date(seconds: u64) -> Result<String, String> {
    let at = i64::try_from(seconds).map_err(|error| error.to_string())?;
    let at = time::OffsetDateTime::from_unix_timestamp(at).map_err(|error| error.to_string())?;
    at.format(&time::format_description::well_known::Rfc3339).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Row;
    use std::path::PathBuf;

    #[test]
    fn the_bill_names_what_is_in_the_binary_and_in_the_image() {
        let project: PathBuf = [env!("CARGO_MANIFEST_DIR"), ".."].iter().collect();
        let row = |source: &str| Row {
            version: "1:6.1+2".into(),
            sha256: "ab".into(),
            source: source.into(),
        };
        let input =
            [("linux-image".to_string(), row("bookworm main")), ("zig".into(), row("host"))];
        let release = Release {
            version: "1.2.3".into(),
            board: "qemu-virt".into(),
            kernel: "6.1".into(),
            epoch: 1,
            built: 1_700_000_000,
        };
        let used = Lock { input: input.into_iter().collect() };
        let bill = make(&project, &used, &release).expect("a bill");
        let bill: Value = serde_json::from_str(&bill).expect("JSON");
        assert_eq!(bill["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
        let components = bill["components"].as_array().expect("components");
        let of = |name: &str| components.iter().find(|component| component["name"] == name);
        let rustls = of("rustls").expect("in the binary");
        assert_eq!(rustls["hashes"][0]["content"].as_str().map(str::len), Some(64));
        assert!(rustls["licenses"][0]["expression"].as_str().expect("one").contains("MIT"));
        let kernel = of("linux-image").expect("in the image");
        assert_eq!(kernel["purl"], "pkg:deb/debian/linux-image@1%3A6.1%2B2?arch=arm64");
        assert_eq!(of("zig").expect("it compiled")["scope"], "excluded");
        for outside in ["proptest", "fatfs", "cc", "image", "mailroom"] {
            assert!(of(outside).is_none(), "{outside} is not in the binary");
        }
    }
}
