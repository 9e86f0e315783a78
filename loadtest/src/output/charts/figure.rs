//! A chart with what is said about it.

pub(crate) struct Figure {
    pub(crate) title: String,
    /// Class and name of each series.
    pub(crate) legend: Vec<(&'static str, String)>,
    pub(crate) svg: String,
    pub(crate) caption: String,
}
