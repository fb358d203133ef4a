//! The pages of a report and of a run in Chromium: clicked through, in light and dark, wide and narrow. `MNASNET_TEST_CHROMIUM` names the program, and
//! `MNASNET_TEST_PICTURES` a folder for pictures of the page, to be looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mnasnet_testing::browser::Browser;
use mnasnet_testing::process::{signal, spawn, wait_for};
use mnasnet_testing::{Place, TINY};
use serde_json::json;

use crate::report::{CLASS, with_markup};
use crate::watch::Watch;

/// A browser, and the folder for pictures.
fn browser(place: &Place) -> (Browser, PathBuf) {
    let program = std::env::var("MNASNET_TEST_CHROMIUM").expect("MNASNET_TEST_CHROMIUM names Chromium");
    let pictures = std::env::var_os("MNASNET_TEST_PICTURES").map_or(place.path("pictures"), PathBuf::from);
    fs::create_dir_all(&pictures).unwrap();
    (Browser::start(&program, &place.path("profile")), pictures)
}

#[test]
#[ignore = "needs Chromium: MNASNET_TEST_CHROMIUM"]
fn the_page_works_and_strangers_names_do_not() {
    let place = with_markup();
    let (mut browser, pictures) = browser(&place);
    browser.show(1280, "light");
    browser.open(&place.path("run/report.html"));

    // Names are text, and nothing of them has run or become an element.
    assert!(
        browser
            .value("document.title")
            .as_str()
            .unwrap()
            .starts_with("What run/")
    );
    let text = browser.value("document.querySelector('#classes').innerText");
    assert!(text.as_str().unwrap().contains(CLASS), "{text}");
    assert_eq!(
        browser.value("document.querySelectorAll('[onerror], [onload], img[src=x], script[src]').length"),
        0
    );
    assert_eq!(browser.value("document.querySelectorAll('script').length"), 1);
    // The page's own policy stops a script that were in it, and what would be fetched.
    let own = "const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"'; document.body.append(s); \
               document.title";
    assert!(browser.value(own).as_str().unwrap().starts_with("What run/"));
    browser.value("new Promise((done) => setTimeout(done, 100))");
    let blocked = browser.told.len();
    assert!(
        blocked == 1 && browser.told[0].contains("Content Security Policy"),
        "{:?}",
        browser.told
    );

    // All pictures are there, with pixels.
    let broken = "(async () => { const all = [...document.images]; all.forEach((i) => i.loading = 'eager'); \
                  await Promise.all(all.map((i) => i.decode())); return [all.length, all.filter((i) => i.naturalWidth !== 128).length]; })()";
    let images = browser.value(broken);
    assert!(images[0].as_u64().unwrap() >= 9 && images[1] == 0, "{images}");

    // Counts become shares.
    let shown = "['count', 'share'].map((c) => getComputedStyle(document.querySelector('.matrix .' + c)).display)";
    assert_eq!(browser.value(shown), serde_json::json!(["inline", "none"]));
    browser.click("label[for=shares]");
    assert_eq!(browser.value(shown), serde_json::json!(["none", "inline"]));
    browser.click("label[for=counts]");

    // Columns sort, and sort the other way round.
    let column = "[...document.querySelectorAll('.sortable tbody tr')].map((row) => row.cells[0].textContent)";
    for (clicks, descending) in [(1, false), (2, true)] {
        browser.click("#classes thead th:first-child button");
        let names = browser.value(column);
        let mut sorted: Vec<String> = serde_json::from_value(names.clone()).unwrap();
        sorted.sort_by_key(|name| name.trim_start_matches('<').to_owned());
        // Punctuation comes before letters in either order.
        sorted.sort_by_key(|name| name.starts_with(char::is_alphabetic));
        if descending {
            sorted.reverse();
        }
        assert_eq!(names, serde_json::json!(sorted), "{clicks}");
    }
    // A pair opens and closes.
    let open = "document.querySelector('#confused details').open";
    let was = browser.value(open);
    browser.click("#confused summary");
    assert_eq!(browser.value(open), !was.as_bool().unwrap());
    browser.click("#confused summary");

    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.show(width, scheme);
        // Nothing but tables within their own frame is wider than the screen.
        assert_eq!(
            browser.value("document.documentElement.scrollWidth <= innerWidth"),
            true,
            "{width}"
        );
        let ground = browser.value("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground == "rgb(251, 251, 250)", scheme == "light", "{ground}");
        browser.value("scrollTo(0, 0)");
        browser.photograph(&pictures.join(format!("report-{width}-{scheme}.png")));
    }
    assert_eq!(browser.told.len(), blocked, "{:?}", browser.told);
}

/// Whether nothing but what scrolls within its own frame is wider than the screen.
const FITS: &str = "document.documentElement.scrollWidth <= innerWidth";
const CHARTS: &str = "document.querySelectorAll('.chart canvas').length";

/// Shows the page wide and narrow, light and dark, and photographs it.
fn photograph(browser: &mut Browser, pictures: &Path, name: &str) {
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (380, "light"), (380, "dark")] {
        browser.show(width, scheme);
        browser.value("new Promise((done) => setTimeout(done, 300))");
        assert_eq!(browser.value(FITS), true, "{name} {width}");
        let ground = browser.value("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground == "rgb(251, 251, 250)", scheme == "light", "{ground}");
        browser.value("scrollTo(0, 0)");
        browser.photograph(&pictures.join(format!("{name}-{width}-{scheme}.png")));
    }
    browser.show(1280, "light");
}

#[test]
#[ignore = "needs Chromium: MNASNET_TEST_CHROMIUM"]
fn the_page_of_a_run_works_while_it_trains_and_after() {
    let place = with_markup();
    let (mut browser, pictures) = browser(&place);
    browser.show(1280, "light");
    let train = format!("train {TINY} --epoch_size 4000 --out live --lr_max 0.04");
    let mut child = spawn(&place, &train);
    let page = place.path("live/run.html");
    wait_for(&mut child, || page.exists());
    let live = fs::read_to_string(&page).unwrap();
    assert!(live.contains("\"state\":\"running\""));
    browser.open(&page);
    browser.wait_for("document.querySelector('#status').textContent.startsWith('The run trains.')");
    let step = "Number(document.querySelectorAll('.tile')[1]?.innerText.match(/step (\\d+)/)?.[1] ?? 0)";
    let first = browser.value(step).as_u64().unwrap();
    // The page reads itself anew.
    browser.wait_for(&format!("{step} > {first}"));
    photograph(&mut browser, &pictures, "run-live");
    signal(&child, "-INT");
    child.wait().unwrap();
    browser.open(&page);
    browser.wait_for(
        "document.querySelector('#status').textContent.startsWith('The run has ended before its last epoch.')",
    );
    assert_eq!(browser.told, Vec::<String>::new());

    // A whole run, with the names of strangers.
    place.done(&format!("train {TINY} --out done --ema true"));
    browser.open(&place.path("done/run.html"));
    assert_eq!(browser.value("document.title"), "done");
    assert_eq!(browser.value(CHARTS), 6);
    let classes = browser.value("document.querySelector('#classes').innerText");
    assert!(classes.as_str().unwrap().contains(CLASS), "{classes}");
    let foreign = "document.querySelectorAll('[onerror], [onload], img[src=x], script[src], svg[onload]').length";
    assert_eq!(browser.value(foreign), 0);
    let broken = "(async () => { await Promise.all([...document.images].map((i) => i.decode())); \
                  return [...document.images].filter((i) => i.naturalWidth < 32).length; })()";
    assert_eq!(browser.value(broken), 0);
    assert!(browser.value("document.images.length").as_u64() > Some(1));
    // The axis, and the keyboard: a chart is read step by step, and zoomed.
    browser.click("#axis");
    browser.value("document.querySelector('#chart-loss').focus()");
    browser.press("ArrowLeft");
    let place_read = browser.value("document.querySelector('#chart-loss .place').textContent");
    assert_eq!(place_read, "step 17");
    let loss = browser.value("document.querySelector('#chart-loss .legend b').textContent");
    let logged = place.metrics("done", "step")[16]["loss"].as_f64().unwrap();
    let shown: f64 = loss.as_str().unwrap().parse().unwrap();
    assert!((shown - logged).abs() < logged * 1e-3, "{shown} {logged}");
    // The theme is the reader's.
    for ground in ["rgb(251, 251, 250)", "rgb(23, 24, 26)", "rgb(251, 251, 250)"] {
        browser.click("#theme");
        assert_eq!(browser.value("getComputedStyle(document.body).backgroundColor"), ground);
    }
    photograph(&mut browser, &pictures, "run");

    // Another run's page is laid over it, and what differs is told.
    let other = "(async () => { const text = TEXT; const box = document.querySelector('#others'); const all = new DataTransfer(); \
                 all.items.add(new File([text], 'run.html')); box.files = all.files; box.dispatchEvent(new Event('change')); \
                 await new Promise((done) => setTimeout(done, 300)); return document.querySelector('#settings p').textContent; })()";
    let text = fs::read_to_string(&page).unwrap();
    let differing = browser.value(&other.replace("TEXT", &json!(text).to_string()));
    assert!(
        differing
            .as_str()
            .unwrap()
            .contains(" settings differ; they are marked"),
        "{differing}"
    );
    let marked = browser.value("[...document.querySelectorAll('tr.differs th')].map((one) => one.textContent)");
    assert_eq!(marked, json!(["ema ≠", "epoch_size ≠", "lr_max ≠"]));
    browser.click("#differing input");
    assert_eq!(
        browser.value("document.querySelectorAll('#settings tbody tr').length"),
        3
    );
    photograph(&mut browser, &pictures, "run-compared");
    assert_eq!(browser.value(foreign), 0);
    let no_page = browser.value(&other.replace("TEXT", "'<p>nothing'"));
    assert_eq!(no_page, differing);
    assert_eq!(
        browser.value("document.querySelector('#status').textContent"),
        "run.html is no page of a run."
    );
    assert_eq!(browser.told, Vec::<String>::new());

    // The page's own policy stops a script that were in it.
    let own = "const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"'; document.body.append(s); \
               document.title";
    assert_eq!(browser.value(own), "done");
}

#[test]
#[ignore = "needs Chromium: MNASNET_TEST_CHROMIUM"]
fn runs_are_watched_side_by_side_through_death() {
    let place = with_markup();
    let (mut browser, pictures) = browser(&place);
    browser.show(1280, "light");
    place.done(&format!("train {TINY} --out <img> --lr_max 0.02"));
    let mut child = spawn(&place, &format!("train {TINY} --epoch_size 4000 --out live"));
    wait_for(&mut child, || place.path("live/metrics.jsonl").exists());
    let watch = Watch::start(&place, "live <img> --port 0");
    browser.visit(&format!("http://{}/", watch.address));
    let status = |words: &str| format!("document.querySelector('#status').textContent.includes({words:?})");
    browser.wait_for(&status("1 of 2 runs train."));
    assert_eq!(browser.value("document.title"), "live, <img>");
    assert_eq!(browser.value("document.querySelectorAll('#runs li').length"), 2);
    assert_eq!(browser.value(CHARTS), 6);
    let step = "Number(document.querySelectorAll('.tile')[1]?.innerText.match(/step (\\d+)/)?.[1] ?? 0)";
    let first = browser.value(step).as_u64().unwrap();
    browser.wait_for(&format!("{step} > {first}"));
    photograph(&mut browser, &pictures, "watch");
    // The run dies, and the page lives.
    signal(&child, "-KILL");
    child.wait().unwrap();
    browser.wait_for(&status("live has ended before its last epoch."));
    assert_eq!(browser.told, Vec::<String>::new());
    // The server dies, and comes again.
    let port = watch.address.rsplit(':').next().unwrap().to_owned();
    watch.end();
    browser.wait_for(&status("does not answer; trying again"));
    assert_eq!(browser.value(CHARTS), 6);
    browser.told.clear();
    let again = Watch::start(&place, &format!("live <img> --port {port}"));
    browser.wait_for(&status("live has ended before its last epoch."));
    assert_eq!(
        browser.value("document.querySelectorAll('img[src=x], [onerror]').length"),
        0
    );
    again.end();
}

/// 300 epochs of 1,000 steps, as `metrics.jsonl` has them.
fn long_run(folder: &Path) {
    use std::fmt::Write;
    let mut text = String::new();
    for global_step in 1..=300_000u64 {
        let (epoch, step) = ((global_step - 1) / 1000, (global_step - 1) % 1000);
        let noise = (global_step.wrapping_mul(2_654_435_761) % 1000) as f64 / 1000.0;
        let loss = 6.9 * (-(global_step as f64) / 90_000.0).exp() + noise;
        writeln!(
            text,
            "{{\"kind\":\"step\",\"epoch\":{epoch},\"step\":{step},\"global_step\":{global_step},\"loss\":{loss},\
             \"mean_loss\":{loss},\"train_top1\":{},\"lr\":{},\"grad_norm\":{},\"spike\":{},\"compute_s\":0.2,\"wait_s\":{},\
             \"images_per_s\":{}}}",
            1.0 - loss / 8.0,
            0.1 * (1.0 - global_step as f64 / 300_000.0),
            noise * 3.0 + 0.1,
            global_step % 37_777 == 0,
            noise / 50.0,
            300.0 - noise * 40.0,
        )
        .unwrap();
        if step == 999 {
            let top1 = 1.0 - loss / 8.0;
            let right: Vec<u64> = (0..1000).map(|class| (class * 7 + epoch) % 51).collect();
            writeln!(
                text,
                "{{\"kind\":\"epoch\",\"epoch\":{epoch},\"steps\":1000,\"global_step\":{global_step},\"train_loss\":{loss},\
                 \"train_top1\":{top1},\"val\":{{\"loss\":{loss},\"top1\":{top1},\"top5\":{top1},\"images\":50000}},\"seconds\":200.0,\
                 \"val_s\":20.0}}\n{{\"kind\":\"classes\",\"epoch\":{epoch},\"global_step\":{global_step},\"images\":{:?},\"right\":{right:?}}}",
                vec![50; 1000]
            )
            .unwrap();
        }
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("metrics.jsonl"), text).unwrap();
    let classes: Vec<String> = (0..1000).map(|class| format!("n{class:08}")).collect();
    let start = json!([{"config": {"epoch_size": 300}, "steps_per_epoch": 1000, "classes": classes}]);
    fs::write(folder.join("run.json"), start.to_string()).unwrap();
}

#[test]
#[ignore = "needs Chromium: MNASNET_TEST_CHROMIUM"]
fn a_long_run_opens_and_stays_small() {
    let place = Place::new(&[]);
    long_run(&place.path("long"));
    let (mut browser, pictures) = browser(&place);
    browser.show(1280, "light");
    let start = Instant::now();
    let watch = Watch::start(&place, "long --port 0");
    browser.visit(&format!("http://{}/", watch.address));
    browser.wait_for(&format!("{CHARTS} === 6"));
    let served = start.elapsed();
    // The page that is served is a page of files, too: its data, held.
    let bytes = browser.value("(async () => (await (await fetch('data.json')).text()).length)()");
    let heap = browser.value("performance.memory.usedJSHeapSize").as_f64().unwrap() / (1 << 20) as f64;
    let fluid = "(async () => { const begun = performance.now(); const chart = document.querySelector('#chart-loss'); chart.focus(); \
                 for (let n = 0; n < 50; n += 1) { chart.dispatchEvent(new KeyboardEvent('keydown', { key: n % 2 ? '+' : 'ArrowLeft' })); \
                 await new Promise((done) => requestAnimationFrame(done)); } return (performance.now() - begun) / 50; })()";
    let frame = browser.value(fluid);
    // For docs/run.md; a time is not asserted.
    println!(
        "from the start of `watch` to the charts: {served:.2?}; data {bytes} bytes; heap {heap:.0} MiB; {frame} ms a frame"
    );
    assert!(bytes.as_u64().unwrap() < 1 << 20, "{bytes}");
    assert!(heap < 200.0, "{heap}");
    assert!(
        browser
            .value("document.querySelector('#marks').innerText")
            .as_str()
            .unwrap()
            .contains("spike")
    );
    photograph(&mut browser, &pictures, "run-long");
    assert_eq!(browser.told, Vec::<String>::new());
}
