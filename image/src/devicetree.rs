//! A device tree as the kernel sees it: the nodes that are on, with what they are compatible to.
//!
//! ```text
//! header: d00dfeed · total size · offset of structure · offset of strings · ..., all u32 BE
//! structure: 1 name\0 (a node begins) · 3 length, name offset, octets (a property)
//!            2 (a node ends) · 4 (nothing) · 9 (the end); each padded to 4
//! ```

/// A node that is not switched off, nor below one that is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// `/soc/mmc@7e300000`
    pub path: String,
    /// From the most exact to the most general.
    pub compatible: Vec<String>,
    pub device_type: String,
}

/// Reads a .dtb file.
pub(crate) fn nodes(octets: &[u8]) -> Result<Vec<Node>, String> {
    let mut reader = Reader { octets, at: 0 };
    if reader.number() != Some(0xd00d_feed) {
        return Err("not a device tree: it does not begin with d00dfeed".into());
    }
    reader.at = 8;
    let (Some(structure), Some(strings)) = (reader.number(), reader.number()) else {
        return Err("a device tree cut short".into());
    };
    reader.at = structure as usize;
    walk(&mut reader, strings as usize).ok_or_else(|| "a damaged device tree".to_string())
}

/// A node as far as it is read.
struct Open {
    node: Node,
    on: bool,
}

fn walk(reader: &mut Reader, strings: usize) -> Option<Vec<Node>> {
    let mut found = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        match reader.number()? {
            1 => {
                let name = reader.string()?;
                let parent = open.last();
                let above = parent.map_or("", |above| above.node.path.as_str());
                let path = format!("{}/{name}", above.trim_end_matches('/'));
                let on = parent.is_none_or(|above| above.on);
                let node = Node { path, compatible: Vec::new(), device_type: String::new() };
                open.push(Open { node, on });
            }
            2 => {
                let last = open.pop()?;
                if last.on {
                    found.push(last.node);
                }
            }
            3 => {
                let (length, name) = (reader.number()? as usize, reader.number()? as usize);
                let value = reader.take(length)?;
                let name = Reader { octets: reader.octets, at: strings + name }.string()?;
                property(open.last_mut()?, &name, value);
            }
            4 => {}
            9 => return open.is_empty().then_some(found),
            _ => return None,
        }
    }
}

fn property(open: &mut Open, name: &str, value: &[u8]) {
    let words = String::from_utf8_lossy(value);
    let mut words = words.split('\0').filter(|word| !word.is_empty()).map(str::to_string);
    match name {
        "compatible" => open.node.compatible = words.collect(),
        "device_type" => open.node.device_type = words.next().unwrap_or_default(),
        "status" => open.on &= words.next().is_some_and(|word| word == "okay" || word == "ok"),
        _ => {}
    }
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let four = self.take(4)?;
        Some(u32::from_be_bytes(four.try_into().ok()?))
    }

    /// So many octets, and the padding behind them.
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let value = self.octets.get(self.at..end)?;
        self.at = end.next_multiple_of(4);
        Some(value)
    }

    fn string(&mut self) -> Option<String> {
        let rest = self.octets.get(self.at..)?;
        let length = rest.iter().position(|octet| *octet == 0)?;
        let text = String::from_utf8_lossy(&rest[..length]).to_string();
        self.at = (self.at + length + 1).next_multiple_of(4);
        Some(text)
    }
}

impl Node {
    /// Its name without its address: mmc, ethernet.
    pub(crate) fn kind(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('@').next().unwrap_or_default()
    }

    /// What the kernel looks a driver up by. A device on USB (`usb424,ec00`) is found by its
    /// numbers when it is there, not by its node.
    pub(crate) fn modalias(&self) -> String {
        let first = self.compatible.first().and_then(|first| first.strip_prefix("usb"));
        if let Some((vendor, product)) = first.and_then(|numbers| numbers.split_once(','))
            && let (Ok(vendor), Ok(product)) =
                (u16::from_str_radix(vendor, 16), u16::from_str_radix(product, 16))
        {
            let rest = "d0000dc00dsc00dp00ic00isc00ip00in00";
            return format!("usb:v{vendor:04X}p{product:04X}{rest}");
        }
        let name = self.kind();
        let kind = if self.device_type.is_empty() { "(null)" } else { &self.device_type };
        let compatible: String = self.compatible.iter().map(|c| format!("C{c}")).collect();
        format!("of:N{name}T{kind}{compatible}")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tree of so many nodes below the root, each with a name and properties.
    pub(crate) fn made(nodes: &[(&str, &[(&str, &str)])]) -> Vec<u8> {
        let (mut structure, mut strings) = (Vec::new(), Vec::new());
        let word = |into: &mut Vec<u8>, number: usize| {
            into.extend_from_slice(&u32::try_from(number).expect("small").to_be_bytes());
        };
        let padded = |into: &mut Vec<u8>, octets: &[u8]| {
            into.extend_from_slice(octets);
            into.resize(into.len().next_multiple_of(4), 0);
        };
        word(&mut structure, 1);
        word(&mut structure, 0);
        for (name, properties) in nodes {
            word(&mut structure, 1);
            padded(&mut structure, format!("{name}\0").as_bytes());
            for (name, value) in *properties {
                word(&mut structure, 3);
                word(&mut structure, value.len() + 1);
                word(&mut structure, strings.len());
                strings.extend_from_slice(format!("{name}\0").as_bytes());
                padded(&mut structure, format!("{value}\0").as_bytes());
            }
            word(&mut structure, 4);
            word(&mut structure, 2);
        }
        word(&mut structure, 2);
        word(&mut structure, 9);
        let mut tree = 0xd00d_feed_u32.to_be_bytes().to_vec();
        for number in [40 + structure.len() + strings.len(), 40, 40 + structure.len()] {
            word(&mut tree, number);
        }
        tree.resize(40, 0);
        [tree, structure, strings].concat()
    }

    #[test]
    fn nodes_that_are_on_are_read_with_what_they_are_compatible_to() {
        let tree = made(&[
            ("mmc@7e300000", &[("compatible", "brcm,bcm2835-mmc\0brcm,sdhci"), ("status", "okay")]),
            ("memory@0", &[("device_type", "memory")]),
            ("spi@1", &[("compatible", "brcm,bcm2835-spi"), ("status", "disabled")]),
        ]);
        let nodes = nodes(&tree).expect("a tree");
        let paths: Vec<&str> = nodes.iter().map(|node| node.path.as_str()).collect();
        assert_eq!(paths, ["/mmc@7e300000", "/memory@0", "/"]);
        assert_eq!(nodes[0].compatible, ["brcm,bcm2835-mmc", "brcm,sdhci"]);
        assert_eq!(nodes[0].modalias(), "of:NmmcT(null)Cbrcm,bcm2835-mmcCbrcm,sdhci");
        assert_eq!(nodes[1].modalias(), "of:NmemoryTmemory");
    }

    #[test]
    fn what_is_no_device_tree_is_an_error_wherever_it_is_cut() {
        assert!(nodes(b"").is_err());
        assert!(nodes(b"MZ nothing of the kind").is_err());
        let tree = made(&[("a", &[("compatible", "x,y")])]);
        for length in 0..tree.len() - "compatible\0".len() {
            assert!(nodes(&tree[..length]).is_err(), "cut at {length}");
        }
    }
}
