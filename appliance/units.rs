//! Every long-running unit of the server on one page.
pub(crate) struct ServeOptions {
    pub port_base: Option<u16>,
    pub demo: bool,
}
pub(crate) fn serve(_data: &std::path::Path, _options: ServeOptions) -> Result<(), String> {
    todo!()
}
