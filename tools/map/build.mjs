// The world map of the page: `npm install && node build.mjs`, in this folder.
//
// Natural Earth's countries 1:50m (public domain) from world-atlas (ISC), simplified, in the Equal Earth projection, a path
// and a point for each ISO 3166-1 alpha-2 code. What has no code of its own is drawn with the country that ISO counts it to.
import { readFileSync, writeFileSync } from "node:fs";
import { geoEqualEarth, geoPath, geoArea } from "d3-geo";
import countries from "i18n-iso-countries";
import { feature, merge } from "topojson-client";
import { presimplify, quantile, simplify } from "topojson-simplify";

const WIDTH = 2000; // whole numbers are then half a pixel of a wide screen
const QUANTILE = Number(process.argv[2] ?? 0.12);
const OWN = { Kosovo: "XK", Somaliland: "SO", "N. Cyprus": "CY", "Siachen Glacier": "IN", "Indian Ocean Ter.": "AU", "Ashmore and Cartier Is.": "AU" };

const atlas = JSON.parse(readFileSync(new URL("./node_modules/world-atlas/countries-50m.json", import.meta.url)));
const weighed = presimplify(atlas);
const world = simplify(weighed, quantile(weighed, QUANTILE));

const byCode = new Map();
const unknown = [];
for (const one of world.objects.countries.geometries) {
  const name = one.properties.name;
  const code = OWN[name] ?? (one.id ? countries.numericToAlpha2(one.id) : undefined);
  if (code === "AQ") continue;
  if (!code) { unknown.push(name); continue; }
  byCode.set(code, [...(byCode.get(code) ?? []), one]);
}

const projection = geoEqualEarth().rotate([-11, 0]);
const all = { type: "FeatureCollection", features: [...byCode.values()].flat().map((one) => feature(world, one)) };
projection.fitWidth(WIDTH, all);
const path = geoPath(projection).digits(1);
const [[, top], [, bottom]] = path.bounds(all);

// Whole numbers, each point told from the one before, and none twice: half the bytes.
function compact(d) {
  return d.split("Z").filter(Boolean).map((ring) => {
    const points = ring.slice(1).split("L").map((pair) => pair.split(",").map((n) => Math.round(Number(n))));
    const kept = points.filter(([x, y], i) => i === 0 || x !== points[i - 1][0] || y !== points[i - 1][1]);
    if (kept.length < 3) return "";
    let text = `M${kept[0][0]} ${kept[0][1]}l`;
    for (let i = 1; i < kept.length; i += 1) {
      const dx = kept[i][0] - kept[i - 1][0];
      const dy = kept[i][1] - kept[i - 1][1];
      text += `${i > 1 && dx >= 0 ? " " : ""}${dx}${dy >= 0 ? " " : ""}${dy}`;
    }
    return `${text}z`;
  }).join("");
}

const made = {};
for (const [code, parts] of [...byCode].sort()) {
  const shape = parts.length === 1 ? feature(world, parts[0]).geometry : merge(world, parts);
  const d = path(shape);
  const full = parts.map((one) => feature(atlas, one).geometry);
  // The point of the largest piece: a country with islands far away is not in the sea between.
  const pieces = full.flatMap((one) => (one.type === "Polygon" ? [one.coordinates] : one.coordinates));
  const largest = pieces.map((coordinates) => ({ type: "Polygon", coordinates })).sort((a, b) => geoArea(b) - geoArea(a))[0];
  const [x, y] = path.centroid(largest);
  const size = Math.abs(geoPath(projection).area(feature(atlas, parts[0])));
  made[code] = { d: compact(d ?? ""), x: Math.round(x), y: Math.round(y), small: size < 40 };
}
const out = { width: WIDTH, height: Math.ceil(bottom - top), countries: made };
writeFileSync(new URL("../../streams/page/static/world.json", import.meta.url), JSON.stringify(out) + "\n");
console.log(Object.keys(made).length, "countries,", JSON.stringify(out).length, "bytes; without a code:", unknown.join(", "));
