"use strict";
// Shows runs: those that the page holds, those that whoever serves the page tells, and those of other pages that are chosen.
// All texts of runs are strangers': they become text nodes, never markup.
(() => {
  const held = JSON.parse(document.getElementById("data").textContent);
  const live = held === null;
  const root = document.documentElement;
  const find = (selector) => document.querySelector(selector);
  let own = live ? [] : held.runs;
  const others = [];
  const runs = () => [...own, ...others];

  /** An element with attributes and children; a text is a text node. */
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  // What a reader chose stays while the page is read anew; a browser may refuse to keep it.
  const recall = (key) => { try { return sessionStorage.getItem(key); } catch { return null; } };
  const keep = (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* It is lost, no more. */ } };

  const number = (value, digits = 4) => (value === null || value === undefined || !isFinite(value) ? "–"
    : value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3) ? value.toExponential(2).replace(/\.?0+e/, "e")
      : String(Number(value.toPrecision(digits))));
  const percent = (value) => (value === null || value === undefined ? "–" : (value * 100).toFixed(1) + " %");
  const bytes = (value) => (value >= 2 ** 30 ? (value / 2 ** 30).toFixed(2) + " GiB" : (value / 2 ** 20).toFixed(0) + " MiB");
  const duration = (seconds) => (seconds >= 5400 ? (seconds / 3600).toFixed(1) + " hours"
    : seconds >= 90 ? Math.round(seconds / 60) + " minutes" : Math.round(seconds) + " seconds");
  const moment = (seconds) => new Date(seconds * 1000).toLocaleString();

  // Theme.
  const themes = { auto: "as the system", light: "light", dark: "dark" };
  let theme = recall("theme") in themes ? recall("theme") : "auto";
  const setTheme = () => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    find("#theme").textContent = "Theme: " + themes[theme];
  };
  setTheme();
  find("#theme").addEventListener("click", () => {
    const names = Object.keys(themes);
    theme = names[(names.indexOf(theme) + 1) % names.length];
    keep("theme", theme);
    setTheme();
    repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => repaint());
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  // Axis.
  let axis = recall("axis") === "steps" ? "steps" : "epochs";
  const perUnit = (run) => (axis === "epochs" && run.steps_per_epoch > 0 ? run.steps_per_epoch : 1);
  const setAxis = () => { find("#axis").textContent = "Axis: " + axis; };
  setAxis();
  find("#axis").addEventListener("click", () => {
    axis = axis === "epochs" ? "steps" : "epochs";
    keep("axis", axis);
    setAxis();
    zoomed = null;
    draw();
  });

  // Curves. A run whose steps are not logged has its epochs' curves.
  const CHARTS = [
    { id: "loss", title: "Loss", wide: true, curves: [["steps", "loss", "training", "train_loss"], ["epoch_curves", "val_loss", "validation"],
      ["epoch_curves", "ema_loss", "validation, average"]] },
    { id: "top1", title: "Top-1", show: percent, curves: [["steps", "train_top1", "training", "train_top1"],
      ["epoch_curves", "val_top1", "validation"], ["epoch_curves", "ema_top1", "validation, average"]] },
    { id: "lr", title: "Learning rate", curves: [["steps", "lr", "rate", "lr"]] },
    { id: "norm", title: "Gradient norm", log: true, curves: [["steps", "grad_norm", "norm"]] },
    { id: "speed", title: "Images per second", curves: [["steps", "images_per_s", "images/s", "images_per_s"]] },
    { id: "waiting", title: "Waiting for photos", show: percent, curves: [["steps", "waiting", "share of the time", "waiting"]] },
  ];
  const DASHES = [[], [7, 4], [2, 3]];
  const MARKS = [["spikes", "▲", "spike of the loss"], ["skipped", "✕", "skipped step"], ["starts", "┆", "the run goes on"]];
  const RUNS = 8;

  /** A curve's places and values, or null where it has no number. */
  const read = (run, [kind, name, , instead], log) => {
    let table = run[kind];
    let curve = table[name];
    const has = (one) => one && one.mean.some((value) => value !== null);
    if (!has(curve) && instead) [table, curve] = [run.epoch_curves, run.epoch_curves[instead]];
    if (!has(curve)) return null;
    const unit = perUnit(run);
    // A logarithm's axis has no place for 0.
    const clean = (values) => (log ? values.map((value) => (value > 0 ? value : null)) : values);
    return { x: table.x.map((x) => x / unit), mean: clean(curve.mean), min: clean(curve.min ?? []), max: clean(curve.max ?? []) };
  };

  /** Whether a chart's values lie so far apart that a few of them would hide all others. */
  const isWide = (chart) => {
    if (!chart.wide) return false;
    const values = runs().flatMap((run) => chart.curves.flatMap((what) => read(run, what, true)?.mean ?? [])).filter((value) => value !== null);
    values.sort((a, b) => a - b);
    return values.length > 0 && values[values.length - 1] > 8 * values[values.length >> 1];
  };

  /** The tables and lines of a chart. */
  const gather = (chart) => {
    const log = chart.log || isWide(chart);
    const [tables, lines] = [[], []];
    const all = runs().slice(0, RUNS);
    all.forEach((run, at) => chart.curves.forEach((what, which) => {
      const curve = read(run, what, log);
      if (!curve) return;
      const ink = `--c${all.length > 1 ? at : which}`;
      const label = all.length > 1 ? `${run.name}: ${what[2]}` : what[2];
      const banded = curve.min.length > 0;
      lines.push({ ink, dash: DASHES[which], label, banded, few: curve.x.length <= 60, at: 1 + lines.reduce((sum, line) => sum + (line.banded ? 3 : 1), 0) });
      tables.push(banded ? [curve.x, curve.mean, curve.min, curve.max] : [curve.x, curve.mean]);
    }));
    return { lines, log, data: tables.length > 0 ? uPlot.join(tables) : null };
  };

  let zoomed = null;
  let painted = [];
  const repaint = () => { painted.forEach((one) => one.plot.redraw(false, true)); strips(); swatches(); };

  const swatch = (line) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", "26");
    svg.setAttribute("height", "8");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M0 4H26");
    path.setAttribute("stroke", `var(${line.ink})`);
    path.setAttribute("stroke-width", "2.5");
    path.setAttribute("stroke-dasharray", line.dash.join(" "));
    svg.append(path);
    return svg;
  };

  /** Marks along the lower edge: what a chart of loss or gradients is read with. */
  const drawMarks = (plot, chart) => {
    if (chart.id !== "loss" && chart.id !== "norm") return;
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    const dots = window.devicePixelRatio || 1;
    const all = runs().slice(0, RUNS);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.font = `${11 * dots}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    all.forEach((run, at) => {
      const place = (step) => plot.valToPos(step / perUnit(run), "x", true);
      const lift = at * 12 * dots;
      for (const [kind, sign] of MARKS.slice(0, 2)) {
        ctx.fillStyle = all.length > 1 ? color(`--c${at}`) : color(kind === "spikes" ? "--c1" : "--c3");
        for (const [step] of run[kind]) ctx.fillText(sign, place(step), top + height - lift - (kind === "skipped" ? 12 * dots : 0));
      }
      ctx.strokeStyle = color("--soft");
      ctx.setLineDash([3 * dots, 3 * dots]);
      for (const start of run.starts) {
        if (start.step === 0) continue;
        ctx.beginPath();
        ctx.moveTo(place(start.step), top);
        ctx.lineTo(place(start.step), top + height);
        ctx.stroke();
      }
    });
    ctx.restore();
  };

  const zoom = (range) => {
    zoomed = range;
    for (const { plot } of painted) {
      const x = plot.data[0];
      const [min, max] = range ?? [x[0], x[x.length - 1]];
      plot.setScale("x", { min, max });
    }
  };

  /** The last value of a curve at or before a place. */
  const valueAt = (plot, series, idx) => {
    for (let at = idx; at >= 0; at -= 1) {
      const value = plot.data[series][at];
      if (value !== undefined && value !== null) return value;
    }
    return null;
  };

  const build = (chart, figure, { lines, log, data }) => {
    const show = chart.show ?? number;
    const series = [{}];
    const bands = [];
    for (const line of lines) {
      const stroke = () => color(line.ink);
      series.push({ stroke, width: 1.75, dash: line.dash, points: { show: line.few, size: 5, stroke, fill: stroke } });
      if (!line.banded) continue;
      const edge = { stroke: "transparent", width: 0, points: { show: false } };
      series.push(edge, { ...edge });
      bands.push({ series: [line.at + 2, line.at + 1], fill: () => color(line.ink) + "33" });
    }
    const values = figure.querySelectorAll(".legend b");
    const place = figure.querySelector(".place");
    const holder = figure.querySelector(".plot");
    const axisOf = (more) => ({ stroke: () => color("--soft"), grid: { stroke: () => color("--line"), width: 1 },
      ticks: { show: false }, font: "12px system-ui, sans-serif", ...more });
    const options = {
      width: Math.max(holder.clientWidth, 200),
      height: 240,
      legend: { show: false },
      scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
      axes: [axisOf({ size: 32 }), axisOf({ size: 58, values: (plot, ticks) => ticks.map((tick) => (tick === null ? "" : show(tick))) })],
      series,
      bands,
      cursor: { sync: { key: "runs", scales: ["x", null] }, drag: { x: true, y: false, setScale: false }, points: { show: false }, bind: { dblclick: () => () => { zoom(null); return null; } } },
      hooks: {
        draw: [(plot) => drawMarks(plot, chart)],
        setCursor: [(plot) => {
          const idx = plot.cursor.idx;
          const last = idx === null || idx === undefined;
          const at = last ? plot.data[0].length - 1 : idx;
          place.textContent = last ? "" : `${axis === "epochs" ? "epoch" : "step"} ${number(plot.data[0][at], 6)}`;
          lines.forEach((line, n) => { values[n].textContent = show(valueAt(plot, line.at, at)); });
        }],
        setSelect: [(plot) => {
          if (plot.select.width < 4) return;
          const [min, max] = [plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")];
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          zoom([min, max]);
        }],
      },
    };
    const plot = new uPlot(options, data, holder);
    lines.forEach((line, n) => { values[n].textContent = show(valueAt(plot, line.at, data[0].length - 1)); });
    return plot;
  };

  const onKey = (event, plot) => {
    const x = plot.data[0];
    const { min, max } = plot.scales.x;
    const middle = (min + max) / 2;
    const span = (max - min) / 2;
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (move !== undefined) {
      const at = plot.cursor.idx ?? x.length - 1;
      const to = Math.min(Math.max(at + move, 0), x.length - 1);
      plot.setCursor({ left: plot.valToPos(x[to], "x"), top: plot.bbox.height / 2 / (window.devicePixelRatio || 1) });
    } else if (event.key === "+" || event.key === "=") {
      // A thousandth of all shows a point, and closer there is nothing.
      if (span > (x[x.length - 1] - x[0]) / 1000) zoom([middle - span / 2, middle + span / 2]);
    } else if (event.key === "-") zoom([Math.max(middle - span * 2, x[0]), Math.min(middle + span * 2, x[x.length - 1])]);
    else if (event.key === "0" || event.key === "Escape") zoom(null);
    else return;
    event.preventDefault();
  };

  const drawCharts = () => {
    const holder = find("#curves .charts");
    for (const chart of CHARTS) {
      const gathered = gather(chart);
      const { lines, log, data } = gathered;
      const sign = JSON.stringify([lines, log, axis]);
      const there = painted.find((one) => one.chart === chart);
      if (there && there.sign === sign) {
        there.plot.setData(data, zoomed === null);
        if (zoomed !== null) there.plot.setScale("x", { min: zoomed[0], max: zoomed[1] });
        const values = there.figure.querySelectorAll(".legend b");
        lines.forEach((line, n) => { values[n].textContent = (chart.show ?? number)(valueAt(there.plot, line.at, data[0].length - 1)); });
        continue;
      }
      if (there) {
        there.plot.destroy();
        there.figure.remove();
        painted = painted.filter((one) => one !== there);
      }
      if (!data) continue;
      const legend = make("ul", { class: "legend" }, ...lines.map((line) => make("li", {}, swatch(line), line.label + " ", make("b"))));
      const figure = make("figure", { class: "chart", id: `chart-${chart.id}`, tabindex: "0", "aria-label": chart.title, role: "group" },
        make("h3", {}, chart.title + (log && !chart.log ? " (logarithmic)" : ""), make("span", { class: "place" })), make("div", { class: "plot" }), legend);
      const after = CHARTS.slice(CHARTS.indexOf(chart) + 1).map((next) => document.getElementById(`chart-${next.id}`)).find(Boolean);
      holder.insertBefore(figure, after ?? null);
      const plot = build(chart, figure, gathered);
      figure.addEventListener("keydown", (event) => onKey(event, plot));
      painted.push({ chart, sign, figure, plot });
      if (zoomed !== null) plot.setScale("x", { min: zoomed[0], max: zoomed[1] });
    }
    const there = MARKS.filter(([kind]) => runs().some((run) => (kind === "starts" ? run.starts.some((start) => start.step > 0) : run[kind].length > 0)));
    find("#marks").replaceChildren(...there.map(([, sign, words]) => make("li", {}, sign + " " + words)));
  };
  new ResizeObserver(() => {
    for (const { plot, figure } of painted) {
      const width = figure.querySelector(".plot").clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: 240 });
    }
  }).observe(find("#curves .charts"));

  // The parts below are made anew only where what they show is another.
  const shown = new Map();
  const changed = (part, what) => {
    const text = JSON.stringify(what);
    const is = shown.get(part) !== text;
    shown.set(part, text);
    return is;
  };
  const section = (id, there) => { find(id).hidden = !there; };

  const tile = (label, value, note) => make("div", { class: "tile" }, make("p", {}, label), make("p", { class: "value" }, value), make("p", {}, note));
  const drawNow = () => {
    const what = runs().map((run) => [run.name, run.state, run.step, run.epoch, run.last, run.best, run.left_s, run.peak_bytes, run.skipped_count, run.spike_count]);
    if (!changed("now", what)) return;
    const rows = runs().map((run) => {
      const all = run.epochs * run.steps_per_epoch;
      const last = run.last ?? {};
      const tiles = [
        tile("state", { running: "trains", finished: "done", stopped: "has ended" }[run.state] ?? "–",
          run.state === "running" && run.left_s !== null ? `about ${duration(run.left_s)} left` : run.state === "stopped" ? "before its last epoch" : ""),
        tile("epochs", `${run.epoch} of ${run.epochs || "–"}`, all > 0 ? `step ${run.step} of ${all}` : `step ${run.step}`),
        tile("best top-1", percent(run.best?.top1), run.best ? `after epoch ${run.best.epoch}` : "no epoch is done"),
        tile("loss", number(last.train_loss), `validation ${number(last.val_loss)}`),
        tile("images/s", number(last.images_per_s), "of the last epoch"),
        tile("memory", run.peak_bytes ? bytes(run.peak_bytes) : "–", run.planned_bytes ? `planned ${bytes(run.planned_bytes)}` : ""),
        tile("skipped steps", String(run.skipped_count), `${run.spike_count} ${run.spike_count === 1 ? "spike" : "spikes"} of the loss`),
        ...(run.bad_images > 0 ? [tile("unreadable photos", String(run.bad_images), "of all epochs")] : []),
      ];
      const bar = make("progress", { max: String(all || 1), value: String(all ? run.step : 0), "aria-label": `${run.name}: steps done` });
      return make("div", { class: "tiles" }, ...(runs().length > 1 ? [make("h3", {}, run.name)] : []), ...tiles, bar);
    });
    find("#now").replaceChildren(make("h2", {}, "Now"), ...rows);
  };

  // Validation by class: a strip of colours a class.
  const mix = (low, high, share) => low.map((part, n) => Math.round(part + (high[n] - part) * share));
  const parts = (name) => [1, 3, 5].map((at) => parseInt(color(name).slice(at, at + 2), 16));
  const strips = () => {
    const [low, high] = [parts("--low"), parts("--high")];
    for (const canvas of document.querySelectorAll("canvas.strip")) {
      const shares = canvas.shares;
      const ink = canvas.getContext("2d");
      canvas.width = shares.length;
      canvas.height = 1;
      shares.forEach((share, x) => {
        ink.fillStyle = share === null ? color("--line") : `rgb(${mix(low, high, share)})`;
        ink.fillRect(x, 0, 1, 1);
      });
    }
  };
  const drawClasses = () => {
    const there = runs().filter((run) => run.classes);
    section("#classes", there.length > 0);
    if (!changed("classes", there.map((run) => [run.name, run.classes]))) return;
    find("#classes p").replaceChildren("Share of each class’s validation photos that are right, from the first epoch (left) to the last (right): 0 % ",
      make("span", { class: "scale" }), " 100 %. The classes that are right least often come first.");
    const tables = there.map((run) => {
      const { rows, epochs, all } = run.classes;
      const body = rows.map((row) => {
        const last = row.shares[row.shares.length - 1];
        const best = row.shares.reduce((a, b) => Math.max(a, b ?? 0), 0);
        const canvas = make("canvas", { class: "strip", role: "img", "aria-label": `epoch ${epochs[0]}: ${percent(row.shares[0])}, best ${percent(best)}, last ${percent(last)}` });
        canvas.shares = row.shares;
        canvas.title = canvas.getAttribute("aria-label");
        return make("tr", {}, make("th", { scope: "row" }, row.name), make("td", { class: "number" }, String(row.images)),
          make("td", { class: "number" }, percent(last)), make("td", { class: "number" }, percent(best)), make("td", {}, canvas));
      });
      const heads = ["class", "photos", "last", "best", `epochs ${epochs[0]} to ${epochs[epochs.length - 1]}`];
      const caption = [...(runs().length > 1 ? [run.name] : []), ...(rows.length < all ? [`the first ${rows.length} of ${all} classes`] : [])].join(": ");
      return make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, ...body));
    });
    find("#classes .wide").replaceChildren(...tables);
    strips();
  };

  const isPicture = (address) => typeof address === "string" && address.startsWith("data:image/jpeg;base64,");
  const drawBatch = () => {
    const there = runs().filter((run) => isPicture(run.batch));
    section("#batch", there.length > 0);
    if (!changed("batch", there.map((run) => [run.name, run.batch]))) return;
    find("#batch .batches").replaceChildren(...there.map((run) => make("figure", {}, make("img", { src: run.batch, alt: `Augmented images of ${run.name}` }),
      ...(runs().length > 1 ? [make("figcaption", {}, run.name)] : []))));
  };

  const drawWorst = () => {
    const there = runs().filter((run) => run.worst.length > 0);
    section("#worst", there.length > 0);
    if (!changed("worst", there.map((run) => [run.name, run.worst]))) return;
    const card = (photo) => make("figure", {}, ...(isPicture(photo.picture) ? [make("img", { src: photo.picture, alt: "", decoding: "async" })] : []),
      make("figcaption", {}, make("p", { class: "label" }, String(photo.label)),
        make("ol", {}, ...(photo.guesses ?? []).slice(0, 3).map((guess) => make("li", {}, `${percent(guess.probability)} ${guess.class}`))),
        make("p", {}, String(photo.image))));
    find("#worst div").replaceChildren(...there.map((run) => make("div", {}, ...(runs().length > 1 ? [make("h3", {}, run.name)] : []),
      make("div", { class: "photos" }, ...run.worst.map(card)))));
  };

  const drawSettings = () => {
    const all = runs();
    const keys = [...new Set(all.flatMap((run) => Object.keys(run.settings)))].sort();
    section("#settings", keys.length > 0);
    find("#differing").hidden = all.length < 2;
    const only = all.length > 1 && find("#differing input").checked;
    if (!changed("settings", [only, all.map((run) => [run.name, run.settings])])) return;
    const rows = keys.map((key) => {
      const values = all.map((run) => run.settings[key] ?? "–");
      return { key, values, differs: values.some((value) => value !== values[0]) };
    });
    const differing = rows.filter((row) => row.differs).length;
    find("#settings p").textContent = all.length < 2 ? "“Compare with” above takes the run.html of another run, and shows what differs."
      : `${differing} of ${keys.length} settings differ; they are marked ≠.`;
    const head = make("thead", {}, make("tr", {}, ...["setting", ...(all.length > 1 ? all.map((run) => run.name) : ["value"])].map((name) => make("th", { scope: "col" }, name))));
    const body = rows.filter((row) => row.differs || !only).map((row) => make("tr", row.differs ? { class: "differs" } : {},
      make("th", { scope: "row" }, row.key + (row.differs ? " ≠" : "")), ...row.values.map((value) => make("td", {}, value))));
    find("#settings .wide").replaceChildren(make("table", {}, head, make("tbody", {}, ...body)));
  };
  find("#differing input").addEventListener("change", drawSettings);

  const drawMachine = () => {
    const there = runs().filter((run) => run.starts.length > 0);
    section("#machine", there.length > 0);
    if (!changed("machine", there.map((run) => [run.name, run.starts]))) return;
    const names = [...new Set(there.flatMap((run) => run.starts.flatMap((start) => start.facts.map(([name]) => name))))];
    const columns = there.flatMap((run) => run.starts.map((start) => [run, start]));
    const heads = columns.map(([run, start]) => `${there.length > 1 ? run.name + ", " : ""}from step ${start.step}`);
    const row = (name, values) => make("tr", {}, make("th", { scope: "row" }, name), ...values.map((value) => make("td", {}, value)));
    const fact = (start, name) => start.facts.find(([own]) => own === name)?.[1] ?? "–";
    find("#machine .wide").replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...["", ...heads].map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, row("begun", columns.map(([, start]) => moment(start.time))), ...names.map((name) => row(name, columns.map(([, start]) => fact(start, name)))))));
  };

  const swatches = () => {
    const all = runs();
    const named = all.slice(0, RUNS).map((run, at) => make("li", {}, swatch({ ink: `--c${at}`, dash: [] }), run.name));
    if (all.length > RUNS) named.push(make("li", {}, `the first ${RUNS} of ${all.length} runs have curves`));
    find("#runs").replaceChildren(...(all.length > 1 ? named : []));
  };

  const say = (text, away = false) => {
    const status = find("#status");
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("away", away);
  };

  const draw = () => {
    drawNow();
    swatches();
    drawCharts();
    drawClasses();
    drawBatch();
    drawWorst();
    drawSettings();
    drawMachine();
    const sections = [...document.querySelectorAll("main section")].filter((one) => !one.hidden);
    if (changed("nav", sections.map((one) => one.id))) {
      find("nav").replaceChildren(...sections.map((one) => make("a", { href: "#" + one.id }, one.querySelector("h2").textContent)));
    }
  };

  // Pages of other runs, read by this page alone.
  find("#others").addEventListener("change", async (event) => {
    for (const file of event.target.files) {
      try {
        const page = new DOMParser().parseFromString(await file.text(), "text/html");
        others.push(...JSON.parse(page.getElementById("data").textContent).runs);
      } catch {
        say(`${file.name} is no page of a run.`, true);
        return;
      }
    }
    draw();
  });

  // A page on disk is read anew while its run trains; a page that is served asks for the runs.
  const every = 10000;
  const tellHeld = () => {
    const [run] = own;
    const age = Date.now() / 1000 - run.written;
    const at = moment(run.written);
    if (run.state !== "running") return say(run.state === "finished" ? `All epochs are done. Written ${at}.` : `The run has ended before its last epoch. Written ${at}.`);
    if (age > 120) return say(`The run trained at ${at}, and has written nothing for ${duration(age)}: it may have died.`, true);
    return say(`The run trains. Written ${at}.`);
  };
  const hold = () => {
    tellHeld();
    if (own[0].state !== "running") return;
    find("#keep").hidden = false;
    const box = find("#keep input");
    box.checked = recall("keep") !== "no";
    box.addEventListener("change", () => keep("keep", box.checked ? "yes" : "no"));
    setInterval(() => {
      tellHeld();
      // What a reader is amid is not taken away.
      if (box.checked && zoomed === null && others.length === 0 && document.visibilityState === "visible") location.reload();
    }, every);
  };

  const poll = 2000;
  let tag = null;
  const follow = async () => {
    try {
      const answer = await fetch("data.json", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(String(answer.status));
        own = (await answer.json()).runs;
        tag = answer.headers.get("ETag");
        draw();
      }
      const trains = own.filter((run) => run.state === "running").length;
      const ended = own.filter((run) => run.state === "stopped").map((run) => run.name);
      const one = own.length === 1;
      say(ended.length > 0 ? `${one ? "The run" : ended.join(", ")} has ended before its last epoch.${trains > 0 ? ` ${trains} of ${own.length} runs train.` : ""}`
        : trains === 0 ? (one ? "All epochs are done." : "All runs are done.")
          : one ? "The run trains." : `${trains} of ${own.length} runs train.`, ended.length > 0);
    } catch {
      say("mnasnet watch does not answer; trying again.", true);
    }
    setTimeout(follow, poll);
  };

  if (live) follow();
  else {
    draw();
    hold();
  }
})();
