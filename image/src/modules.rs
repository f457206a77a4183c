//! Which modules of the kernel a board needs: those it names, those its device trees ask for, and
//! all that these depend on. Read from the files that depmod writes.

use crate::pattern::fits;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The modules of one kernel. A name has underscores only.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    /// Name, and its file below `lib/modules/VERSION`.
    files: BTreeMap<String, String>,
    needs: BTreeMap<String, Vec<String>>,
    /// Pattern and name, in the order of the file.
    aliases: Vec<(String, String)>,
    /// What is to be loaded before, if it is there; a name or an alias.
    before: BTreeMap<String, Vec<String>>,
    built_in: BTreeSet<String>,
    built_in_aliases: Vec<(String, String)>,
}

/// What takes care of a device.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Driver {
    pub modules: BTreeSet<String>,
    pub built_in: BTreeSet<String>,
}

/// Reads `lib/modules/VERSION` after depmod.
pub(crate) fn read(folder: &Path) -> Result<Kernel, String> {
    let text = |name: &str| {
        let file = folder.join(name);
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    };
    let mut kernel = Kernel::default();
    kernel.read_dependencies(&text("modules.dep")?);
    kernel.read_aliases(&text("modules.alias")?);
    kernel.read_before(&text("modules.softdep")?);
    kernel.read_built_in(&text("modules.builtin")?, &text("modules.builtin.modinfo")?);
    Ok(kernel)
}

/// `kernel/drivers/net/virtio-net.ko.xz` is virtio_net.
pub(crate) fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split(".ko").next().unwrap_or_default().replace('-', "_")
}

impl Kernel {
    fn read_dependencies(&mut self, text: &str) {
        for (path, needs) in text.lines().filter_map(|line| line.split_once(':')) {
            let needs = needs.split_whitespace().map(name).collect();
            self.needs.insert(name(path), needs);
            self.files.insert(name(path), path.to_string());
        }
    }

    pub(crate) fn read_aliases(&mut self, text: &str) {
        for line in text.lines() {
            if let ["alias", pattern, module] = *line.split_whitespace().collect::<Vec<_>>() {
                self.aliases.push((pattern.to_string(), name(module)));
            }
        }
    }

    fn read_before(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some("softdep"), Some(module)) = (words.next(), words.next()) {
                let before = words.skip_while(|word| *word != "pre:").skip(1);
                let before = before.take_while(|word| !word.ends_with(':'));
                let names = before.map(|word| word.replace('-', "_"));
                self.before.entry(name(module)).or_default().extend(names);
            }
        }
    }

    /// `modinfo` has `name.alias=pattern` between zeros.
    pub(crate) fn read_built_in(&mut self, list: &str, modinfo: &str) {
        self.built_in = list.lines().map(name).collect();
        for entry in modinfo.split('\0') {
            if let Some((key, pattern)) = entry.split_once('=')
                && let Some((module, "alias")) = key.split_once('.')
            {
                self.built_in_aliases.push((pattern.to_string(), name(module)));
            }
        }
    }

    /// The file of a module, below `lib/modules/VERSION`.
    pub(crate) fn file(&self, module: &str) -> Option<&str> {
        self.files.get(module).map(String::as_str)
    }

    pub(crate) fn is_built_in(&self, module: &str) -> bool {
        self.built_in.contains(&module.replace('-', "_"))
    }

    /// Everything whose alias matches.
    pub(crate) fn driver(&self, modalias: &str) -> Driver {
        let of = |aliases: &[(String, String)]| {
            let fits =
                aliases.iter().filter(|(pattern, _)| fits(pattern.as_bytes(), modalias.as_bytes()));
            fits.map(|(_, module)| module.clone()).collect::<BTreeSet<_>>()
        };
        Driver { modules: of(&self.aliases), built_in: of(&self.built_in_aliases) }
    }

    /// These modules and all they need, without those of `without` and what only they need. The
    /// error names modules that the kernel has not.
    pub(crate) fn closure(
        &self,
        wanted: &BTreeSet<String>,
        without: &[String],
    ) -> Result<BTreeSet<String>, String> {
        let mut closed = BTreeSet::new();
        let mut open: Vec<String> = wanted.iter().map(|name| name.replace('-', "_")).collect();
        while let Some(module) = open.pop() {
            let left_out = without.contains(&module) || self.is_built_in(&module);
            if left_out || closed.contains(&module) {
                continue;
            }
            let Some(needs) = self.needs.get(&module) else {
                return Err(format!("the kernel has no module {module}"));
            };
            if let Some(barred) = needs.iter().find(|need| without.contains(*need)) {
                return Err(format!("module {module} needs {barred}, which is to be left out"));
            }
            open.extend(needs.iter().cloned());
            open.extend(self.before(&module));
            closed.insert(module);
        }
        Ok(closed)
    }

    /// What is to be loaded before a module: names as they are, aliases as what bears them.
    fn before(&self, module: &str) -> Vec<String> {
        let named = self.before.get(module).into_iter().flatten();
        named
            .flat_map(|name| {
                if self.files.contains_key(name) {
                    return vec![name.clone()];
                }
                self.driver(name).modules.into_iter().collect()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> Kernel {
        let mut kernel = Kernel::default();
        kernel.read_dependencies(
            "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko\n\
             kernel/fs/jbd2/jbd2.ko:\nkernel/lib/crc16.ko:\n\
             kernel/crypto/crc32c-generic.ko:\n\
             kernel/drivers/gpu/vc4.ko: kernel/drivers/gpu/drm.ko\nkernel/drivers/gpu/drm.ko:\n\
             kernel/drivers/mmc/sdhci-iproc.ko.xz: kernel/drivers/mmc/sdhci.ko.xz\n\
             kernel/drivers/mmc/sdhci.ko.xz:\n",
        );
        kernel.read_aliases(
            "# Aliases\nalias crypto-crc32c crc32c_generic\n\
             alias of:N*T*Cbrcm,bcm2711-emmc2C* sdhci_iproc\n\
             alias of:N*T*Cbrcm,bcm2711-emmc2 sdhci_iproc\n\
             alias sd:t[0-3]x-* sdhci\n",
        );
        kernel.read_before("softdep ext4 pre: crypto-crc32c post: other\n");
        kernel.read_built_in(
            "kernel/drivers/clk/clk-bcm2835.ko\n",
            "clk_bcm2835.license=GPL\0clk_bcm2835.alias=of:N*T*Cbrcm,cprman\0",
        );
        kernel
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn a_module_comes_with_all_it_needs_and_soft_needs_by_alias() {
        let closed = kernel().closure(&set(&["ext4"]), &[]).expect("known");
        assert_eq!(closed, set(&["crc16", "crc32c_generic", "ext4", "jbd2"]));
        let built_in = kernel().closure(&set(&["clk-bcm2835"]), &[]).expect("built in");
        assert_eq!(built_in, set(&[]));
    }

    #[test]
    fn what_is_unwanted_stays_out_and_what_is_missing_is_said() {
        let without = ["vc4".to_string()];
        let closed = kernel().closure(&set(&["vc4", "jbd2"]), &without).expect("known");
        assert_eq!(closed, set(&["jbd2"]), "nor what only vc4 needs");
        let why = kernel().closure(&set(&["toaster"]), &[]).expect_err("not there");
        assert!(why.contains("toaster"), "{why}");
        let why = kernel().closure(&set(&["ext4"]), &["jbd2".into()]).expect_err("needed");
        assert!(why.contains("ext4 needs jbd2"), "{why}");
    }

    #[test]
    fn a_device_finds_its_driver() {
        let driver = kernel().driver("of:NmmcT(null)Cbrcm,bcm2711-emmc2Cbrcm,sdhci");
        assert_eq!(driver.modules, set(&["sdhci_iproc"]));
        assert_eq!(kernel().file("sdhci_iproc"), Some("kernel/drivers/mmc/sdhci-iproc.ko.xz"));
        let clock = kernel().driver("of:NcprmanT(null)Cbrcm,cprman");
        assert_eq!((clock.modules.len(), clock.built_in), (0, set(&["clk_bcm2835"])));
        assert_eq!(kernel().driver("sd:t2x-y").modules, set(&["sdhci"]), "a range in its pattern");
        assert_eq!(kernel().driver("of:NxT(null)Cnobody,knows"), Driver::default());
    }
}
