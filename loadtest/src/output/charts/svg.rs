//! Charts as inline SVG. Colours are classes, so that the page's style sheet themes them; no series
//! is identified by colour alone.

/// A chart's drawing area with a scale on each side.
pub(crate) struct Chart {
    x: Axis,
    y: Axis,
    marks: String,
}

/// One side of a chart.
pub(crate) struct Axis {
    pub(crate) title: &'static str,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) scale: Scale,
    /// Positions of grid lines, with their labels.
    pub(crate) ticks: Vec<(f64, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 32.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 48.0;

impl Chart {
    pub(crate) fn new(x: Axis, y: Axis) -> Self {
        Self {
            x,
            y,
            marks: String::new(),
        }
    }

    /// Adds a line through `points`, dashed by its class.
    pub(crate) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let path: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", self.at_x(*x), self.at_y(*y)))
            .collect();
        self.marks.push_str(&format!(
            "<polyline class=\"line {class}\" points=\"{}\"/>",
            path.join(" ")
        ));
    }

    /// Adds a bar from the x axis up to `height`.
    pub(crate) fn bar(&mut self, class: &str, (from, to): (f64, f64), height: f64) {
        let (left, right, top) = (self.at_x(from), self.at_x(to), self.at_y(height));
        let (width, height) = ((right - left - 1.0).max(1.0), HEIGHT - BOTTOM - top);
        self.marks.push_str(&format!(
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    /// Shades a span of the x axis; the class of the shade ends in `label`.
    pub(crate) fn band(&mut self, label: &str, from: f64, to: f64) {
        let (left, width) = (self.at_x(from), (self.at_x(to) - self.at_x(from)).max(0.5));
        let height = HEIGHT - BOTTOM - TOP;
        self.marks.push_str(&format!(
            "<rect class=\"band {label}-band\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{label}</title></rect>"
        ));
    }

    /// Adds a mark whose shape is its kind: `●`, `▲`, `■`, `×`.
    pub(crate) fn dot(&mut self, class: &str, shape: usize, x: f64, y: f64) {
        let (x, y) = (self.at_x(x), self.at_y(y));
        let path = match shape {
            0 => format!("M{:.1} {y:.1}a2 2 0 1 0 4 0a2 2 0 1 0 -4 0", x - 2.0),
            1 => format!("M{:.1} {:.1}l5 0l-2.5 -5z", x - 2.5, y + 2.0),
            2 => format!("M{:.1} {:.1}h4v4h-4z", x - 2.0, y - 2.0),
            _ => format!("M{:.1} {:.1}l5 5m0 -5l-5 5", x - 2.5, y - 2.5),
        };
        self.marks
            .push_str(&format!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    /// The SVG element; `label` describes it for screen readers.
    pub(crate) fn render(&self, label: &str) -> String {
        let mut svg =
            format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">");
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, text) in &self.x.ticks {
            let x = self.at_x(*value);
            svg.push_str(&format!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>"
            ));
            svg.push_str(&format!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                bottom + 16.0
            ));
        }
        for (value, text) in &self.y.ticks {
            let y = self.at_y(*value);
            svg.push_str(&format!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            ));
            svg.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 6.0,
                y + 4.0
            ));
        }
        svg.push_str(&self.marks);
        let middle = f64::midpoint(LEFT, right);
        svg.push_str(&format!(
            "<text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 8.0,
            self.x.title
        ));
        let half = f64::midpoint(TOP, bottom);
        svg.push_str(&format!(
            "<text transform=\"translate(12 {half}) rotate(-90)\" text-anchor=\"middle\">{}</text></svg>",
            self.y.title
        ));
        svg
    }

    fn at_x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }
}

impl Axis {
    /// From 0 to 100 %.
    pub(crate) fn hit_ratio() -> Self {
        Self {
            title: "hit ratio",
            low: 0.0,
            high: 100.0,
            scale: Scale::Linear,
            ticks: [0.0, 25.0, 50.0, 75.0, 100.0]
                .map(|at| (at, format!("{at} %")))
                .to_vec(),
        }
    }

    /// A logarithmic axis of microseconds with a tick per decade.
    pub(crate) fn latency(title: &'static str, low: f64, high: f64) -> Self {
        let (low, high) = (low.max(0.1).log10().floor(), high.max(1.0).log10().ceil());
        let high = high.max(low + 1.0);
        let label = |us: f64| match us {
            us if us < 1e3 => format!("{us} µs"),
            us if us < 1e6 => format!("{} ms", us / 1e3),
            us => format!("{} s", us / 1e6),
        };
        let decades = (low as i32..=high as i32).map(|power| 10f64.powi(power));
        let ticks = decades.map(|us| (us, label(us))).collect();
        Self {
            title,
            low: 10f64.powf(low),
            high: 10f64.powf(high),
            scale: Scale::Logarithmic,
            ticks,
        }
    }

    /// A linear axis from zero with about five round ticks.
    pub(crate) fn linear(title: &'static str, high: f64, unit: &str) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        let raw = high / 5.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .iter()
            .map(|m| m * power)
            .find(|step| *step >= raw)
            .unwrap_or(raw);
        let count = (high / step).ceil() as usize;
        let digits = usize::from(step < 1.0) + usize::from(step < 0.1);
        let ticks = (0..=count)
            .map(|i| i as f64 * step)
            .map(|v| (v, format!("{v:.digits$}{unit}")))
            .collect();
        Self {
            title,
            low: 0.0,
            high: count as f64 * step,
            scale: Scale::Linear,
            ticks,
        }
    }

    fn share(&self, value: f64) -> f64 {
        let on = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.max(f64::MIN_POSITIVE).ln(),
        };
        ((on(value) - on(self.low)) / (on(self.high) - on(self.low))).clamp(0.0, 1.0)
    }
}

/// Escapes text, so that a target's text cannot become markup.
pub(crate) fn escape(text: &str) -> String {
    let escapes = [
        ('&', "&amp;"),
        ('<', "&lt;"),
        ('>', "&gt;"),
        ('"', "&quot;"),
        ('\'', "&#39;"),
    ];
    let escape = |text: String, (c, escaped): (char, &str)| text.replace(c, escaped);
    escapes.into_iter().fold(text.to_owned(), escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_axis_covers_whole_decades() {
        let axis = Axis::latency("", 80.0, 3_000_000.0);
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(
            labels,
            ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]
        );
    }

    #[test]
    fn a_linear_axis_ends_on_a_round_tick() {
        let axis = Axis::linear("", 37.0, " s");
        assert_eq!((axis.high, axis.ticks.len()), (40.0, 5));
    }
}
