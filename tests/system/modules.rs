//! Which drivers are loaded, and in what order.

use crate::system::init::modules::Modules;
use crate::system::init::pattern::fits;

const DEP: &str = "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko\n\
                   kernel/fs/jbd2/jbd2.ko: kernel/lib/crc32.ko\n\
                   kernel/lib/crc16.ko:\n\
                   kernel/lib/crc32.ko:\n\
                   kernel/crypto/crc32c_generic.ko:\n\
                   kernel/drivers/net/virtio-net.ko: kernel/net/failover.ko\n\
                   kernel/net/failover.ko:\n\
                   kernel/drivers/gpu/vc4.ko:\n\
                   kernel/a.ko: kernel/b.ko\n\
                   kernel/b.ko: kernel/a.ko\n";
const ALIAS: &str = "# Aliases\n\
                     alias virtio:d00000001v* virtio_net\n\
                     alias of:N*T*Cbrcm,bcm2835-vc4C* vc4\n\
                     alias crypto-crc32c crc32c_generic\n\
                     alias *:odd b\n";

fn modules() -> Modules {
    Modules::new(DEP, ALIAS, "softdep ext4 pre: crypto-crc32c post: vc4\n")
}

#[test]
fn what_a_module_needs_is_loaded_before_it_and_once() {
    let mut modules = modules();
    let order = [
        "kernel/crypto/crc32c_generic.ko",
        "kernel/lib/crc16.ko",
        "kernel/lib/crc32.ko",
        "kernel/fs/jbd2/jbd2.ko",
        "kernel/fs/ext4/ext4.ko",
    ];
    assert_eq!(modules.wanted("ext4"), order);
    assert_eq!(modules.wanted("ext4"), Vec::<String>::new());
}

#[test]
fn devices_find_their_drivers_and_vc4_is_left_out() {
    let mut modules = modules();
    let order = ["kernel/net/failover.ko", "kernel/drivers/net/virtio-net.ko"];
    assert_eq!(modules.wanted("virtio:d00000001v00001AF4"), order);
    assert!(modules.wanted("virtio:d00000007v00001AF4").is_empty());
    assert!(modules.wanted("of:NgpuT(null)Cbrcm,bcm2835-vc4").is_empty());
    assert!(modules.wanted("vc4").is_empty());
    // Modules that need each other end.
    assert_eq!(modules.wanted("any:odd").len(), 2);
}

#[test]
fn patterns_fit_as_a_shell_has_it() {
    for (pattern, text) in [
        ("a*c", "abbbc"),
        ("a*c*", "acc"),
        ("pci:v00001AF4d*sv*", "pci:v00001AF4d00001000sv0"),
        ("usb:v*p*d01[0-3]?x", "usb:v1p2d012yx"),
        ("of:N*Cbrcm,bcm2711-genet-v5", "of:NethernetT(null)Cbrcm,bcm2711_genet_v5"),
        ("[abc]", "b"),
        ("d[13A-F]*", "dB"),
        ("a*b*c", "axxbxbxc"),
        ("*", ""),
    ] {
        assert!(fits(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
    }
    for (pattern, text) in [("a*c", "abbb"), ("[a-c]", "d"), ("[abc", "a"), ("?", ""), ("ab", "a")]
    {
        assert!(!fits(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
    }
    // No pattern makes it slow.
    let (pattern, text) = ("*a".repeat(50), "a".repeat(20_000) + "b");
    assert!(!fits(pattern.as_bytes(), text.as_bytes()));
}
