/* What pages do in the browser: charts, copying, questions before what can't be undone, live parts.
   Everything works without it, only less comfortably. */
"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const each = (root, selector, act) => {
    if (root.matches && root.matches(selector)) act(root);
    root.querySelectorAll(selector).forEach(act);
  };

  /* --- numbers, as console/formats.py writes them ------------------------------------------ */
  const three = (value) => String(Number(value.toFixed(Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0)));
  const tokens = (value) => {
    for (const [step, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
      if (Math.abs(value) >= 0.9995 * step) return three(value / step) + letter;
    }
    return three(value);
  };
  const usd = (value) => {
    const size = Math.abs(value);
    const digits = size >= 0.995 || size === 0 ? 2 : Math.min(12, 2 - Math.floor(Math.log10(size)));
    const text = size.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: digits });
    return (value < 0 ? "-$" : "$") + (size === 0 ? "0" : text);
  };
  const seconds = (value) => (value < 0.9995 ? `${Math.round(1000 * value)} ms` : `${three(value)} s`);
  const FORMATS = {
    tokens, usd, seconds,
    share: (value) => `${(100 * value).toFixed(1)} %`,
    number: (value) => value.toLocaleString("en-US", { maximumFractionDigits: 2 }),
  };
  const format = (name, value) => (value === null || value === undefined ? "–" : (FORMATS[name] || FORMATS.number)(value));

  /* --- charts ------------------------------------------------------------------------------ */
  const charts = new Map(); // canvas -> Chart
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const faded = (rgb, alpha) => rgb.replace(/^rgb\((.*)\)$/, (_, parts) => `rgb(${parts.replaceAll(",", " ")} / ${alpha})`);
  const OTHERS = "others";

  const dataset = (data, one, index) => {
    const ink = colour(one.name === OTHERS || one.others ? "series-others" : `series-${(index % 9) + 1}`);
    const line = data.kind === "line";
    return {
      label: one.name, data: one.values, borderColor: ink, borderWidth: line ? 2 : 0,
      backgroundColor: line ? faded(ink, 0.18) : ink, fill: line && Boolean(data.area),
      pointRadius: line && one.values.length > 40 ? 0 : 3, pointHoverRadius: 5, pointHitRadius: 12, tension: 0.25,
      spanGaps: true, maxBarThickness: 56, borderRadius: data.kind === "bar" ? 3 : 0,
    };
  };

  const options = (data) => {
    const ink = colour("muted"), grid = colour("chart-grid"), stacked = data.kind === "stacked";
    const many = data.series.length > 1;
    const scale = { border: { color: grid }, ticks: { color: ink, maxRotation: 0, autoSkipPadding: 14 } };
    const across = data.across === true; // bars from left to right
    const values = { ...scale, stacked, beginAtZero: true, grid: { color: grid }, ticks: {
      ...scale.ticks, maxTicksLimit: 6, callback: (value) => format(data.format, value) } };
    const names = { ...scale, stacked, grid: { display: false } };
    return {
      responsive: true, maintainAspectRatio: false, indexAxis: across ? "y" : "x",
      animation: still.matches || data.live ? false : { duration: 250 },
      interaction: { mode: "index", intersect: false, axis: across ? "y" : "x" },
      scales: across ? { x: values, y: names } : { x: names, y: values },
      plugins: {
        legend: { display: many, position: "bottom", labels: { color: colour("text"), boxWidth: 12, boxHeight: 12, padding: 12 } },
        tooltip: {
          itemSort: (a, b) => (b.raw || 0) - (a.raw || 0),
          filter: (item) => !stacked || item.raw,
          callbacks: {
            label: (item) => ` ${many || item.dataset.label ? `${item.dataset.label}: ` : ""}${format(data.format, item.raw)}`,
            footer: (items) => (stacked && items.length > 1 && data.format !== "share"
              ? `Σ ${format(data.format, items.reduce((sum, item) => sum + (item.raw || 0), 0))}` : ""),
          },
        },
      },
    };
  };

  const draw = (canvas) => {
    const island = document.getElementById(canvas.dataset.chart);
    if (!island || !window.Chart) return;
    erase(canvas);
    const data = JSON.parse(island.textContent);
    window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    charts.set(canvas, new window.Chart(canvas, {
      type: data.kind === "line" ? "line" : "bar",
      data: { labels: data.labels, datasets: data.series.map((one, index) => dataset(data, one, index)) },
      options: options(data),
    }));
  };
  const erase = (canvas) => {
    const chart = charts.get(canvas);
    if (chart) chart.destroy();
    charts.delete(canvas);
  };
  const redraw = () => [...charts.keys()].forEach(draw);
  dark.addEventListener("change", redraw);

  /* --- live parts: <section data-live="URL"> ------------------------------------------------
     Events: "values" {name: text} for [data-live-value], "chart" {id, series: [[...], ...]}, "close".
     A connection is open only while its part stands in a page that is seen. */
  const FIRST_WAIT_MS = 1000, LONGEST_WAIT_MS = 60000, MOST_FAILURES = 8;
  class Live {
    constructor(part) {
      this.part = part;
      this.failures = 0;
      this.open();
    }
    open() {
      this.shut();
      if (document.hidden || !this.part.isConnected) return;
      this.source = new EventSource(this.part.dataset.live);
      this.source.addEventListener("values", (event) => {
        this.failures = 0;
        const values = JSON.parse(event.data);
        this.tell(values.at === "–" ? "off" : "on"); // what nobody measures has no time
        each(this.part, "[data-live-value]", (place) => {
          const text = values[place.dataset.liveValue];
          if (text !== undefined && place.textContent !== text) place.textContent = text;
        });
      });
      this.source.addEventListener("chart", (event) => {
        const told = JSON.parse(event.data);
        const figure = document.getElementById(told.id);
        const chart = figure && charts.get(figure.querySelector("canvas"));
        if (!chart) return;
        told.series.forEach((values, index) => { chart.data.datasets[index].data = values; });
        chart.update("none");
      });
      // The server ends what was open for long, and all when it stops; a new connection is for those who still look.
      this.source.addEventListener("close", () => { this.shut(); this.later(FIRST_WAIT_MS * (1 + Math.random())); });
      this.source.onerror = () => {
        this.shut();
        this.tell("off");
        this.failures += 1;
        if (this.failures < MOST_FAILURES) this.later(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures));
      };
    }
    later(wait_ms) {
      this.timer = setTimeout(() => this.open(), wait_ms);
    }
    shut() {
      clearTimeout(this.timer);
      if (this.source) this.source.close();
      this.source = null;
    }
    tell(state) {
      each(this.part, "[data-live-state]", (place) => {
        if (place.dataset.state === state) return;
        place.dataset.state = state;
        place.textContent = place.dataset[state];
      });
    }
  }
  const lives = new Map(); // element -> Live
  const shutAll = () => lives.forEach((live) => live.shut());
  const openAll = () => lives.forEach((live) => { live.failures = 0; live.open(); });
  addEventListener("pagehide", shutAll);
  addEventListener("pageshow", (event) => { if (event.persisted) openAll(); });
  document.addEventListener("visibilitychange", () => (document.hidden ? shutAll() : openAll()));

  /* --- copying, asking, sending at once ------------------------------------------------------ */
  const copy = async (button) => {
    const text = button.closest(".copy").querySelector("code, input").textContent || button.closest(".copy").querySelector("input").value;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // not allowed, or no TLS: mark it, so that one key copies it
      getSelection().selectAllChildren(button.closest(".copy").querySelector("code"));
      return;
    }
    const label = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 1500);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("submit", (event) => {
    const asked = event.submitter?.dataset.confirm || event.target.dataset.confirm;
    if (asked && !confirm(asked)) event.preventDefault();
  }, true);
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form && form.hasAttribute("data-submit")) form.requestSubmit();
  });

  /* --- a link from another site arrives without the session's cookie, which is SameSite=Strict - */
  const door = document.querySelector("[data-door]");
  if (door && !new URLSearchParams(location.search).has("again")) {
    fetch(door.dataset.door, { redirect: "manual" }).then((answer) => {
      if (answer.type === "opaqueredirect") location.replace(door.dataset.door);
    }).catch(() => {});
  }

  /* --- what comes and goes ------------------------------------------------------------------- */
  const enter = (root) => {
    each(root, "canvas[data-chart]", draw);
    each(root, "[data-copy]", (button) => { button.hidden = false; });
    each(root, ".tabs [aria-current]", (chosen) => { // where tabs are one line that scrolls
      const line = chosen.closest("ul");
      line.scrollLeft = chosen.offsetLeft - line.offsetLeft - 48;
    });
    each(root, "[data-live]", (part) => { if (!lives.has(part)) lives.set(part, new Live(part)); });
  };
  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    const gone = event.target;
    if (charts.has(gone)) erase(gone);
    if (lives.has(gone)) {
      lives.get(gone).shut();
      lives.delete(gone);
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    // with outerHTML the target is gone; what stands there now has its id
    const id = event.detail.target.id;
    enter((id && document.getElementById(id)) || event.detail.elt || document.body);
  });
  enter(document.body);
})();
