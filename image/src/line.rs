//! The command line of the tool.

use crate::emulate;
use clap::{Args, Parser, Subcommand};
use semver::Version;
use std::path::PathBuf;

/// Builds the disk images that Mailroom is shipped in, shows what is in one, boots one in QEMU
#[derive(Parser)]
#[command(name = "image", version, max_term_width = 100)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub act: Act,
}

#[derive(Subcommand)]
pub(crate) enum Act {
    /// Builds the image of a board; `make image` calls this
    Build(Build),
    /// Makes images and signed updates of every board, with sums and sources; `make release`
    Release(Release),
    /// Fetches the sources of Debian's packages in the images, or of those that are named
    Sources {
        packages: Vec<String>,
        /// The folder for them
        #[arg(long, default_value = "target/release-sources")]
        into: PathBuf,
    },
    /// Makes the signed update file of an image
    Bundle {
        image: PathBuf,
        /// The secret key of minisign that signs it
        #[arg(long)]
        key: PathBuf,
        /// The oldest version that can be updated by it
        #[arg(long, default_value = "0.1.0")]
        from: Version,
        /// The folder for the update file
        #[arg(long, default_value = "target/image")]
        into: PathBuf,
        /// The file of public keys that a box takes updates by (config/update-keys)
        #[arg(long)]
        keys: Option<PathBuf>,
    },
    /// Signs an update file anew, in its place
    Sign {
        file: PathBuf,
        /// The secret key of minisign
        #[arg(long)]
        key: PathBuf,
        /// The file of public keys that a box takes updates by (config/update-keys)
        #[arg(long)]
        keys: Option<PathBuf>,
    },
    /// Makes a key that signs updates, and prints the line for config/update-keys
    Key {
        /// A new file for the secret part
        file: PathBuf,
    },
    /// Shows what is in an image, a disk or an update file, and whether it is whole
    Inspect {
        #[arg(long)]
        json: bool,
        /// The file of public keys that a box takes updates by (config/update-keys)
        #[arg(long)]
        keys: Option<PathBuf>,
        file: PathBuf,
    },
    /// Boots an image in QEMU, with the console on the terminal; Ctrl-A X ends it
    Emulate {
        image: PathBuf,
        /// The disk of the box: kept and written to, copied from the image when there is none yet
        #[arg(long)]
        disk: PathBuf,
        /// Begin with a new disk
        #[arg(long)]
        fresh: bool,
        /// MiB of a new disk; a power of two for an SD card
        #[arg(long, default_value_t = 1024)]
        size: u64,
        /// A port of this machine and a port of the box, 2025:25
        #[arg(long, value_parser = emulate::forward)]
        forward: Vec<(u16, u16)>,
        /// Where the cable leads, as QEMU's -netdev has it without id: tap,ifname=lan0,script=no
        #[arg(long, conflicts_with = "forward")]
        lan: Option<String>,
        /// What the box is to begin with, as mailroom.toml: its first start reads it
        #[arg(long)]
        preset: Option<PathBuf>,
        /// Serve the console on this Unix socket
        #[arg(long)]
        serial: Option<PathBuf>,
        /// Serve QEMU's monitor protocol on this Unix socket
        #[arg(long)]
        monitor: Option<PathBuf>,
        /// Further arguments of QEMU
        #[arg(last = true)]
        more: Vec<String>,
    },
    /// Makes a copy of an image with a setup code of its own, and a label to print for the box
    Label { image: PathBuf },
    /// Writes a file to the boot partition of an image, such as mailroom.toml before first boot
    Put { image: PathBuf, file: PathBuf },
    /// Prints a file of the boot partition of an image
    Get { image: PathBuf, name: String },
}

#[derive(Args)]
pub(crate) struct Build {
    /// The name of a file in board/
    #[arg(long)]
    pub board: String,
    /// The binary of the box
    #[arg(long, default_value = "target/box/mailroom")]
    pub binary: PathBuf,
    /// What compiled it: name, version, SHA-256, a line each
    #[arg(long, default_value = "target/box/compilers")]
    pub compilers: PathBuf,
    /// The folder for the image
    #[arg(long, default_value = "target/image")]
    pub into: PathBuf,
    /// Seconds since 1970 that stand as the time of everything
    #[arg(long)]
    pub time: u64,
    /// The version of the system in it; that of these sources where none is named
    #[arg(long)]
    pub version: Option<Version>,
    /// The file of public keys that the box takes updates by (config/update-keys)
    #[arg(long)]
    pub keys: Option<PathBuf>,
    /// Take exactly the inputs of image/inputs.lock, or refuse
    #[arg(long, conflicts_with = "accept")]
    pub locked: bool,
    /// Write the inputs used into image/inputs.lock
    #[arg(long)]
    pub accept: bool,
}

#[derive(Args)]
pub(crate) struct Release {
    /// The secret key of minisign that signs the updates
    #[arg(long)]
    pub key: PathBuf,
    /// The oldest version that can be updated
    #[arg(long, default_value = "0.1.0")]
    pub from: Version,
    /// The binary of the box
    #[arg(long, default_value = "target/box/mailroom")]
    pub binary: PathBuf,
    /// What compiled it: name, version, SHA-256, a line each
    #[arg(long, default_value = "target/box/compilers")]
    pub compilers: PathBuf,
    /// Seconds since 1970 that stand as the time of everything
    #[arg(long)]
    pub time: u64,
    /// The version of the system; that of these sources where none is named
    #[arg(long)]
    pub version: Option<Version>,
    /// The file of public keys that boxes take updates by (config/update-keys)
    #[arg(long)]
    pub keys: Option<PathBuf>,
    /// Go on though the mirror has not all sources that are owed
    #[arg(long)]
    pub without_sources: bool,
}
