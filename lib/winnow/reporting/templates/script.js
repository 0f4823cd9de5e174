"use strict";
(function () {
  var root = document.documentElement;
  var toggle = document.getElementById("theme");
  var prefers = window.matchMedia("(prefers-color-scheme: dark)");

  // A page opened from a file may be denied storage: the choice is then forgotten, and nothing else happens.
  function remembered(value) {
    try {
      if (value) localStorage.setItem("winnow-theme", value);
      return localStorage.getItem("winnow-theme");
    } catch (denied) {
      return null;
    }
  }
  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : prefers.matches;
  }
  function tell() {
    toggle.textContent = isDark() ? "Light" : "Dark";
    toggle.setAttribute("aria-label", "Switch to the " + (isDark() ? "light" : "dark") + " page");
    toggle.setAttribute("aria-pressed", String(isDark()));
  }
  var chosen = remembered();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  toggle.hidden = false;
  toggle.addEventListener("click", function () {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(root.dataset.theme);
    tell();
  });
  prefers.addEventListener("change", tell);
  tell();

  function valueOf(row, place) {
    var cell = row.cells[place];
    return "number" in cell.dataset ? Number(cell.dataset.number) : cell.textContent;
  }
  function compare(one, other) {
    if (typeof one === "number" && typeof other === "number") return one - other;
    if (typeof one === "number" || typeof other === "number") return typeof one === "number" ? -1 : 1;
    return one.localeCompare(other, undefined, { numeric: true });
  }
  document.querySelectorAll("th button").forEach(function (button) {
    button.addEventListener("click", function () {
      var head = button.parentElement;
      var table = head.closest("table");
      var sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      table.querySelectorAll("th").forEach(function (other) { other.setAttribute("aria-sort", "none"); });
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      var rows = Array.from(table.tBodies[0].rows);
      rows.sort(function (one, other) { return sign * compare(valueOf(one, head.cellIndex), valueOf(other, head.cellIndex)); });
      table.tBodies[0].append.apply(table.tBodies[0], rows);
    });
  });

  var links = Array.from(document.querySelectorAll("nav a"));
  var seen = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (!entry.isIntersecting) return;
      links.forEach(function (link) {
        if (link.hash === "#" + entry.target.id) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      });
    });
  }, { rootMargin: "0px 0px -75% 0px" });
  document.querySelectorAll("main section").forEach(function (section) { seen.observe(section); });
})();
