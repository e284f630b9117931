// What is shown follows what is known: when something changes, the page's own address is read again and its middle replaced.
// Without this file everything can be read all the same.
(() => {
  "use strict";
  const watch = document.body.dataset.watch;
  const parts = ["main", ".clock"];
  let waiting = null;
  // As it came, before anything here was added to it.
  const shown = new Map(parts.map((part) => [part, document.querySelector(part)?.innerHTML]));

  async function renew() {
    waiting = null;
    // Not while somebody writes, or looks closer.
    if (document.hidden || document.querySelector("form :focus, details[open] form, .uplot, .zoom :disabled")) return;
    let text;
    try {
      // The browser asks with the tag of what it has, and gets nothing anew where nothing has changed.
      const answer = await fetch(location.href, { cache: "no-cache" });
      if (answer.status !== 200) return;
      text = await answer.text();
    } catch {
      return; // the stream opens again once the page can be reached, and then it is asked for again
    }
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const part of parts) {
      const before = document.querySelector(part);
      const after = fresh.querySelector(part);
      if (before && after && after.innerHTML !== shown.get(part)) {
        shown.set(part, after.innerHTML);
        const open = [...before.querySelectorAll("details")].map((one) => one.open);
        before.replaceChildren(...after.childNodes);
        before.querySelectorAll("details").forEach((one, i) => { one.open = open[i] === true; });
        if (part === "main") {
          before.classList.remove("fresh");
          void before.offsetWidth;
          before.classList.add("fresh");
          zooms();
        }
      }
    }
    document.title = fresh.title;
    document.body.dispatchEvent(new CustomEvent("renewed"));
  }

  function soon() {
    // Not all readers at once, and not at every record.
    if (waiting === null) waiting = setTimeout(renew, 300 + Math.random() * 1200);
  }

  if (!new URLSearchParams(location.search).has("to")) {
    const events = new EventSource(`/events?watch=${encodeURIComponent(watch)}`);
    events.addEventListener("change", soon);
    // What changed before it was open, or while it was broken, was told to nobody.
    events.addEventListener("open", soon);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  }

  // A chart to look closer into, drawn in the browser when it is asked for.
  function zooms() {
    for (const box of document.querySelectorAll(".zoom:empty")) {
      const button = document.createElement("button");
      button.textContent = box.dataset.label;
      button.addEventListener("click", () => zoom(box, button));
      box.append(button);
    }
  }

  function script(src) {
    return new Promise((done, fail) => {
      const made = document.createElement("script");
      made.src = src;
      made.onload = done;
      made.onerror = fail;
      document.head.append(made);
    });
  }

  async function zoom(box, button) {
    button.disabled = true;
    if (!window.uPlot) {
      const style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = "/static/uplot.css";
      document.head.append(style);
      await script("/static/uplot.js");
    }
    const answer = await fetch(box.dataset.series);
    const { data } = await answer.json();
    const times = [...new Set(data.map((row) => Date.parse(row.time) / 1000))].sort((a, b) => a - b);
    const place = new Map(times.map((time, i) => [time, i]));
    const names = [...new Set(data.map((row) => row.name))];
    const lines = names.map(() => new Array(times.length).fill(null));
    for (const row of data) lines[names.indexOf(row.name)][place.get(Date.parse(row.time) / 1000)] = row.reachability * 100;
    const colours = ["#1d3f66", "#c33b1b", "#8a5a00", "#4d8f7a", "#7a4fa3", "#2f7fd1", "#a8230d", "#5a626d", "#b0731f", "#3c6e3c"];
    const ink = getComputedStyle(document.body).color;
    const width = box.clientWidth;
    box.replaceChildren();
    new window.uPlot({
      width,
      height: 340,
      tzDate: (time) => window.uPlot.tzDate(new Date(time * 1e3), "Etc/UTC"),
      scales: { y: { range: [0, 100] } },
      axes: [{ stroke: ink }, { stroke: ink, values: (_, ticks) => ticks.map((tick) => `${tick} %`) }],
      series: [{}, ...names.map((name, i) => ({ label: name, stroke: colours[i % colours.length], width: 1.6, spanGaps: false }))],
    }, [times, ...lines], box);
  }

  zooms();
})();
