//! The box: PID 1 as an ordinary process against a fake machine, and netd's machines without
//! sockets.

mod adopted;
mod boot;
mod children;
mod console;
mod dhcp;
mod fake;
mod interface;
mod lending;
mod menu;
mod messages;
mod modules;
mod presets;
mod reset;
mod resolvers;
mod sntp;
mod storage;
mod updates;
mod watchdog;
