//! The report in a browser, where there is one: wide and as narrow as a phone, light and dark.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::report::{FIGURES, page};

/// Names that Chromium goes by.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What a page reports on itself: figures that are shown, requests, colors, and what went to the console.
/// Only in the copy that is tested: the report itself runs nothing.
const PROBE: &str = "<script>
addEventListener('load', () => {
  const shown = [...document.querySelectorAll('figure svg')].filter(s => {
    const box = s.getBoundingClientRect();
    return box.width > 200 && box.height > 150 && s.querySelectorAll('circle').length > 1;
  });
  const light = css => {
    const [r, g, b] = css.match(/[0-9.]+/g).map(Number);
    return (r + g + b) / 765;
  };
  const style = getComputedStyle(document.body);
  const root = getComputedStyle(document.documentElement).backgroundColor;
  const paper = style.backgroundColor === 'rgba(0, 0, 0, 0)' ? root : style.backgroundColor;
  const label = getComputedStyle(shown[0].querySelector('text')).fill;
  parent.postMessage(JSON.stringify({
    figures: shown.length,
    wide: document.documentElement.scrollWidth > innerWidth,
    width: innerWidth,
    requests: performance.getEntriesByType('resource').map(e => e.name),
    errors: window.errors,
    dark: matchMedia('(prefers-color-scheme: dark)').matches,
    paper: light(paper), ink: light(style.color), label: light(label),
  }), '*');
});
</script>";
const ERRORS: &str = "<script>
window.errors = [];
addEventListener('error', e => window.errors.push(e.message), true);
addEventListener('securitypolicyviolation', e => window.errors.push(e.blockedURI));
</script>";

/// A window that shows the page in a frame: no browser's own window is as narrow as a phone.
fn frame(page: &str, width: u32) -> String {
    format!(
        "<!doctype html><meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" \
         href=\"data:,\"><body><script>\
         addEventListener('message', e => document.body.dataset.probe = e.data);</script>\
         <iframe src=\"{page}\" width=\"{width}\" height=\"900\" style=\"border: 0\"></iframe>"
    )
}

#[test]
fn a_browser_shows_every_figure_and_asks_for_nothing() {
    let found = NAMES.iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = found else {
        // Written past the test harness's capture: a skipped test must be seen.
        let rule = "*".repeat(72);
        let said = "SKIPPED: there is no Chromium here, no browser has opened the report";
        let _ = writeln!(std::io::stderr(), "\n{rule}\n{said}\n{rule}");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let page = page(dir.path());
    let probed = page.replacen("<head>", &format!("<head>{ERRORS}"), 1);
    let probed = probed.replacen("</body>", &format!("{PROBE}</body>"), 1);
    std::fs::write(dir.path().join("report.html"), probed).unwrap();
    for (width, dark) in [(1280, false), (390, false), (1280, true), (390, true)] {
        let case = format!("{width} pixels, dark: {dark}");
        let (probe, console) = opened(browser, dir.path(), width, dark);
        assert_eq!(probe["width"], width, "{case}");
        assert_eq!(probe["figures"], FIGURES, "{case}: {probe}");
        assert_eq!(probe["wide"], false, "{case}: the page scrolls sideways");
        assert_eq!(probe["requests"], json!([]), "{case}");
        assert_eq!(probe["errors"], json!([]), "{case}");
        assert!(console.is_empty(), "{case}: {console:?}");
        assert_eq!(probe["dark"], dark, "{case}");
        let of = |name: &str| probe[name].as_f64().unwrap();
        let (paper, ink, label) = (of("paper"), of("ink"), of("label"));
        assert_eq!(paper < 0.5, dark, "{case}: {probe}");
        assert!((ink - paper).abs() > 0.5 && (label - paper).abs() > 0.4, "{case}: {probe}");
    }
}

/// What the page reports of itself, and what went to the console.
fn opened(browser: &str, dir: &Path, width: u32, dark: bool) -> (Value, Vec<String>) {
    let name = format!("{width}-{dark}");
    let path = dir.join(format!("{name}.html"));
    std::fs::write(&path, frame("report.html", width)).unwrap();
    let scheme = if dark { 0 } else { 1 };
    let run = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .args(["--enable-logging=stderr", "--v=0", "--window-size=1400,1000"])
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--user-data-dir={}", dir.join(format!("profile-{name}")).display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .unwrap();
    let (dom, log) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let probe = dom.split("data-probe=\"").nth(1).unwrap_or_else(|| panic!("{dom}\n{log}"));
    let probe = probe.split('"').next().unwrap().replace("&quot;", "\"");
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
    (serde_json::from_str(&probe).unwrap(), console.collect())
}
