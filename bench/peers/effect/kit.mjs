// How `bench/kit` measures, for programs that run on Node: the same command line, loops, latencies,
// flushes and rows.

import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

const BLOCK = Buffer.alloc(4096, 7)
const BLOCKS = 1024
const FLUSHES_MAX = 500
const FLUSHES_MS_MAX = 500

/** Runs what the command line asks of the cases. */
export async function run(system, storage, cases) {
  const args = parse(process.argv.slice(2))
  if (args.list) {
    cases.forEach(({ lane }) => console.log(lane.name))
    return
  }
  fs.mkdirSync(args.dir, { recursive: true })
  if (args.header) {
    console.log(header())
  }
  const wanted = ({ lane }) => args.lanes.length === 0 || args.lanes.includes(lane.name)
  for (const { lane, repeat } of cases.filter(wanted)) {
    const [runs, fsyncs] = [[], []]
    for (let number = 0; number < args.runs; number++) {
      fsyncs.push(flush(args.dir))
      runs.push(await repeat())
    }
    const row = sumUp(lane, system, storage, runs, fsyncs)
    console.log(line(row))
    if (args.json) {
      fs.appendFileSync(args.json, `${json(row)}\n`)
    }
  }
}

function parse(words) {
  const args = { list: false, lanes: [], runs: 5, json: null, dir: "target/bench", header: true }
  for (let at = 0; at < words.length; at++) {
    const word = words[at]
    const value = () => words[++at] ?? fail(`\`${word}\` needs a value`)
    if (word === "--list") args.list = true
    else if (word === "--no-header") args.header = false
    else if (word === "--lane") args.lanes.push(value())
    else if (word === "--json") args.json = value()
    else if (word === "--dir") args.dir = value()
    else if (word === "--runs") args.runs = count(value())
    else fail(`\`${word}\` is not an option`)
  }
  return args
}

function count(text) {
  const number = Number(text)
  return Number.isInteger(number) && number > 0 ? number : fail(`\`--runs ${text}\` is no count`)
}

function fail(message) {
  console.error(message)
  process.exit(1)
}

/** The median microseconds of overwriting one block of a preallocated file and flushing it. */
function flush(dir) {
  // What others left unwritten goes first. Without the program the figure is only noisier.
  spawnSync("sync")
  const name = path.join(dir, "fsync-probe.bin")
  const file = fs.openSync(name, "w")
  try {
    fs.writeSync(file, Buffer.alloc(BLOCK.length * BLOCKS))
    fs.fsyncSync(file)
    const samples = []
    const whole = performance.now()
    do {
      const at = (samples.length % BLOCKS) * BLOCK.length
      const start = performance.now()
      fs.writeSync(file, BLOCK, 0, BLOCK.length, at)
      fs.fdatasyncSync(file)
      samples.push((performance.now() - start) * 1e3)
    } while (samples.length < FLUSHES_MAX && performance.now() - whole < FLUSHES_MS_MAX)
    return samples.sort(ascending)[Math.floor(samples.length / 2)]
  } finally {
    fs.closeSync(file)
    fs.rmSync(name)
  }
}

/** Operations of the caller with this index: the lane's, dealt out evenly. */
export function share({ callers, operations }, caller) {
  return Math.floor(operations / callers) + (caller < operations % callers ? 1 : 0)
}

/** Numbers below a bound: xorshift32 by G. Marsaglia, 2003. */
export function chooser(seed) {
  // Spread over all bits; odd, since zero would stay zero.
  let state = Math.imul(seed, 0x9e3779b9) | 1
  return (bound) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}

function sumUp(lane, system, storage, runs, fsyncs) {
  const rates = runs.map(({ elapsed_ms }) => lane.operations / elapsed_ms * 1e3)
  runs.forEach(({ latencies_ms }) => latencies_ms.sort(ascending))
  const percentile_us = (part) => median(runs.map(({ latencies_ms }) =>
    latencies_ms[Math.round((latencies_ms.length - 1) * part)] * 1e3))
  return {
    lane: lane.name,
    system,
    storage,
    callers: lane.callers,
    entities: lane.entities,
    ops_per_s: Math.round(median(rates)),
    min: Math.round(Math.min(...rates)),
    max: Math.round(Math.max(...rates)),
    runs: runs.length,
    p50_us: percentile_us(0.50),
    p99_us: percentile_us(0.99),
    fsync_us: median(fsyncs)
  }
}

const ascending = (a, b) => a - b

/** The middle value, the lower of two. */
function median(values) {
  return values.toSorted(ascending)[Math.floor((values.length - 1) / 2)]
}

function json({ p50_us, p99_us, fsync_us, ...row }) {
  const latencies = `"p50_us":${p50_us.toFixed(3)},"p99_us":${p99_us.toFixed(3)}`
  return `${JSON.stringify(row).slice(0, -1)},${latencies},"fsync_us":${fsync_us.toFixed(1)}}`
}

function header() {
  return columns(
    ["lane", "system", "storage"],
    ["callers", "entities", "ops/s", "min", "max", "p50 us", "p99 us", "fsync us", "B each"]
  )
}

function line(row) {
  const grouped = (number) => number.toLocaleString("en-US")
  return columns(
    [row.lane, row.system, row.storage],
    [
      ...[row.callers, row.entities, row.ops_per_s, row.min, row.max].map(grouped),
      row.p50_us.toFixed(1),
      row.p99_us.toFixed(1),
      row.fsync_us.toFixed(0),
      "-"
    ]
  )
}

function columns(names, figures) {
  const left = names.map((name, at) => name.padEnd([22, 10, 8][at]))
  const widths = [7, 9, 11, 11, 11, 9, 9, 8, 7]
  return [...left, ...figures.map((figure, at) => figure.padStart(widths[at]))].join(" ")
}
