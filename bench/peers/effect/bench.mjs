// Effect Cluster: an entity keeps in the database what it wants to keep, and here in the same
// transaction as the reply, as its annotation `WithTransaction` is for.

import { NodeCrypto } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, ManagedRuntime, Redacted, Schema } from "effect"
import { ClusterSchema, Entity, SingleRunner } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { SqlClient } from "effect/sql"
import { chooser, run, share } from "./kit.mjs"

const SYSTEM = "effect"
const STORAGE = "postgres"
/** Calls before the clock starts: Node compiles while it runs. */
const WARM_UP = 1_000

const Add = Rpc.make("Add", {
  payload: { key: Schema.String, amount: Schema.Int },
  success: Schema.Int,
  primaryKey: ({ key }) => key
})
  .annotate(ClusterSchema.Persisted, true)
  .annotate(ClusterSchema.WithTransaction, true)

const Counter = Entity.make("Counter", [Add])

const CounterLayer = Counter.toLayer(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { entityId } = yield* Entity.CurrentAddress
  return Counter.of({
    Add: ({ payload: { amount } }) =>
      sql`INSERT INTO counter (id, value) VALUES (${entityId}, ${amount})
          ON CONFLICT (id) DO UPDATE SET value = counter.value + ${amount} RETURNING value`.pipe(
        Effect.map(([{ value }]) => Number(value)),
        Effect.orDie
      )
  })
}))

/** One process with all shards, whose locks are in memory: the SQL storage for them costs more. */
function layer(url) {
  const database = PgClient.layer({
    url: Redacted.make(url),
    startupParameters: { search_path: "bench" }
  })
  const cluster = SingleRunner.layer({ runnerStorage: "memory" }).pipe(
    Layer.provideMerge(database),
    Layer.provide(NodeCrypto.layerDigest)
  )
  return CounterLayer.pipe(Layer.provideMerge(cluster))
}

/** Empty tables, nothing of another system's, and nothing left to write of those before. */
const prepare = (url) => Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP SCHEMA IF EXISTS bench CASCADE`
  yield* sql`CREATE SCHEMA bench`
  yield* sql`CREATE TABLE bench.counter (id TEXT PRIMARY KEY, value BIGINT NOT NULL)`
  yield* sql`CHECKPOINT`
}).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url) })))

/** The lane's callers in closed loops, each on a fiber of its own. */
const closedLoop = Effect.fn(function*(lane, phase) {
  const counter = yield* Counter.client
  const entities = Array.from({ length: lane.entities }, (_, number) => counter(`${number}`))
  const latencies_ms = []
  const callInTurn = Effect.fn(function*(caller) {
    const below = chooser(caller + 1)
    const operations = share(lane, caller)
    for (let number = 0; number < operations; number++) {
      const entity = entities[below(entities.length)]
      const start = performance.now()
      yield* entity.Add({ key: `${phase}-${caller}-${number}`, amount: 1 })
      latencies_ms.push(performance.now() - start)
    }
  })
  const whole = performance.now()
  const callers = Array.from({ length: lane.callers }, (_, caller) => callInTurn(caller))
  yield* Effect.all(callers, { concurrency: "unbounded", discard: true })
  return { elapsed_ms: performance.now() - whole, latencies_ms }
})

function persisted(lane) {
  const repeat = async () => {
    const url = process.env.TEST_SERVERS_POSTGRES
    if (!url) {
      throw new Error("TEST_SERVERS_POSTGRES has to name a superuser's PostgreSQL")
    }
    await Effect.runPromise(prepare(url))
    const runtime = ManagedRuntime.make(layer(url))
    await runtime.runPromise(closedLoop({ ...lane, operations: WARM_UP }, "warm-up"))
    const measured = await runtime.runPromise(closedLoop(lane, "measured"))
    await runtime.dispose()
    return measured
  }
  return { lane, repeat }
}

// Fewer operations than elsewhere: the usual number would take minutes.
await run(SYSTEM, STORAGE, [
  persisted({ name: "persisted-1", callers: 1, entities: 1, operations: 2_000 }),
  persisted({ name: "persisted-64", callers: 64, entities: 1_000, operations: 20_000 })
])
