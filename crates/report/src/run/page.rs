//! The page of a run: one file of HTML, with its data, its style and its scripts in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::ReportError;
use crate::run::data::Data;

const TEMPLATE: &str = include_str!("page/run.html");
const STYLE: &str = include_str!("page/run.css");
const SCRIPT: &str = include_str!("page/run.js");
const CHART_STYLE: &str = include_str!("page/uplot/uPlot.min.css");
const CHART_SCRIPT: &str = include_str!("page/uplot/uPlot.iife.min.js");

#[derive(Serialize)]
struct Page<'a> {
    policy: String,
    title: &'a str,
    style: &'a str,
    chart_style: &'a str,
    chart_script: &'a str,
    script: &'a str,
    data: String,
}

/// Runs as the page reads them.
///
/// # Errors
/// Where JSON cannot be made, which no run makes it do.
pub fn json(runs: &[Data]) -> Result<String, ReportError> {
    #[derive(Serialize)]
    struct Runs<'a> {
        runs: &'a [Data<'a>],
    }
    let failed = ReportError::table("page");
    serde_json::to_string(&Runs { runs }).map_err(|error| failed(&error))
}

/// The page of a run, which holds what it shows, in UTF-8.
///
/// # Errors
/// Where the template fails, which no run makes it do.
pub fn page(run: Data) -> Result<Vec<u8>, ReportError> {
    let name = run.name().to_owned();
    render(&name, json(&[run])?, "")
}

/// A page that asks whoever serves it for `data.json` and shows that, again and again.
///
/// # Errors
/// As [`page`].
pub fn live(title: &str) -> Result<Vec<u8>, ReportError> {
    render(title, "null".into(), " connect-src 'self';")
}

fn render(title: &str, data: String, more: &str) -> Result<Vec<u8>, ReportError> {
    let failed = ReportError::table("page");
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    let template = templates.template_from_str(TEMPLATE).map_err(|error| failed(&error))?;
    let page = Page {
        policy: policy(more),
        title,
        style: STYLE,
        chart_style: CHART_STYLE,
        chart_script: CHART_SCRIPT,
        script: SCRIPT,
        // Within a string of JSON, where alone it can be: the element that holds it is not ended by a stranger's name.
        data: data.replace('<', "\\u003c"),
    };
    let html = template.render(Serde(&page)).map_err(|error| failed(&error))?;
    Ok(html.into_bytes())
}

/// What the page may do: show pictures that it holds, and run its own two scripts. It can fetch nothing `more`, and no text of a
/// stranger's in it can run, even if it were not escaped.
fn policy(more: &str) -> String {
    let hash = |script: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
    format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline';{more} script-src {} {}; base-uri 'none'; form-action 'none'",
        hash(CHART_SCRIPT),
        hash(SCRIPT)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::data::State;
    use crate::run::follow::Follower;

    const MARKUP: &str = "</script><img src=x onerror=alert(1)>\u{2028}\"'&";

    #[test]
    fn names_of_strangers_stay_text() {
        let folder = tempfile::tempdir().unwrap();
        let start = serde_json::json!([{"config": {"data": MARKUP}, "classes": [MARKUP], "device": MARKUP}]);
        fs::write(folder.path().join("run.json"), start.to_string()).unwrap();
        let line = "{\"kind\":\"classes\",\"epoch\":0,\"images\":[2],\"right\":[1]}\n";
        fs::write(folder.path().join("metrics.jsonl"), line).unwrap();
        let worst = serde_json::json!([{"label": MARKUP, "image": MARKUP}]);
        fs::write(folder.path().join("worst.json"), worst.to_string()).unwrap();
        let mut follower = Follower::new(folder.path(), MARKUP);
        follower.refresh().unwrap();
        let page = String::from_utf8(page(follower.data(State::Stopped)).unwrap()).unwrap();
        assert!(!page.contains("<img") && !page.contains("<svg"));
        // The elements are the page's own: two scripts and the data.
        assert_eq!(page.matches("<script").count(), 3);
        assert_eq!(page.matches("</script").count(), 3);
        // The data are what they were.
        let start = page.find("type=\"application/json\">").unwrap() + "type=\"application/json\">".len();
        let data = page[start..].split("</script>").next().unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let run = &data["runs"][0];
        for shown in [
            &run["name"],
            &run["settings"]["data"],
            &run["classes"]["rows"][0]["name"],
            &run["worst"][0]["label"],
        ] {
            assert_eq!(shown, MARKUP);
        }
    }

    #[test]
    fn a_run_of_any_length_has_a_page_of_one_size() {
        let folder = tempfile::tempdir().unwrap();
        let size = |steps: u64| {
            let line = |at: u64| {
                let loss = 1.0 / (at as f64 + 1.0) + 0.123_456_789;
                format!(
                    "{{\"kind\":\"step\",\"epoch\":0,\"step\":{at},\"global_step\":{at},\"loss\":{loss},\"grad_norm\":{loss},\"lr\":{loss}}}\n"
                )
            };
            let lines: String = (1..=steps).map(line).collect();
            fs::write(folder.path().join("metrics.jsonl"), lines).unwrap();
            let mut follower = Follower::new(folder.path(), "run");
            follower.refresh().unwrap();
            page(follower.data(State::Running)).unwrap().len()
        };
        let sizes = [1_000, 10_000, 100_000].map(size);
        assert!(sizes.iter().all(|&size| size < 400_000), "{sizes:?}");
    }
}
