// Offline `prisma migrate`, on the schema engine's wasm build and a throw-away PostgreSQL:
//   npm run schema -- new <name>   writes prisma/migrations/<time>_<name>/migration.sql from the change of schema.prisma
//   npm run schema -- drift        exits 2 when the migrations do not give the schema
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { systemClock } from '../platform/clock.ts'
import { startEmbeddedPostgres } from '../platform/db/embedded.ts'
import { migrate } from '../platform/db/migrate.ts'

const SCHEMA = 'prisma/schema.prisma'
const MIGRATIONS = 'prisma/migrations'
const PG_CHAR_OID = 18
const PG_TEXT_OID = 25
const require = createRequire(import.meta.url)

interface DiffResult {
  readonly exitCode: number
  readonly stdout: string
}
interface SchemaEngine {
  diff(input: object): Promise<DiffResult>
}
/** The part of the WebAssembly API that is used; its types live in lib.dom, which a server does not load. */
interface WasmApi {
  Module: { new (bytes: Uint8Array): object; imports(module: object): { module: string }[] }
  Instance: new (module: object, imports: object) => { exports: Record<string, unknown> }
}
interface Adapter {
  performIO(query: unknown): Promise<{ fields: { dataTypeID: number }[] }>
  queryRaw(query: unknown): Promise<{ columnTypes: number[] }>
  executeScript?(sql: string): Promise<void>
  startTransaction?(level: unknown): Promise<Adapter>
  dispose(): Promise<void>
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** adapter-pg 7.10 cannot read pg_catalog's "char" and splits scripts at every semicolon; both are mended here. */
function mend(adapter: Adapter, url: string): Adapter {
  let charColumns: number[] = []
  const performIO = adapter.performIO.bind(adapter)
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.performIO = async (query) => {
    const result = await performIO(query)
    charColumns = result.fields.flatMap((field, index) => (field.dataTypeID === PG_CHAR_OID ? [index] : []))
    for (const index of charColumns) (result.fields[index] as { dataTypeID: number }).dataTypeID = PG_TEXT_OID
    return result
  }
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query)
    for (const index of charColumns) result.columnTypes[index] = ColumnTypeEnum.Character
    return result
  }
  if (adapter.executeScript) adapter.executeScript = (sql) => execute(url, sql)
  if (adapter.startTransaction) {
    const startTransaction = adapter.startTransaction.bind(adapter)
    adapter.startTransaction = async (level) => mend(await startTransaction(level), url)
  }
  return adapter
}

async function openEngine(url: string): Promise<SchemaEngine> {
  const connectTo = async (target: string) => mend((await new PrismaPg({ connectionString: target }).connect()) as unknown as Adapter, target)
  const factory = {
    provider: 'postgres',
    adapterName: 'schema-tool',
    connect: () => connectTo(url),
    connectToShadowDb: async () => {
      const name = `shadow_${process.pid}_${process.hrtime.bigint()}`
      const shadow = new URL(url)
      shadow.pathname = `/${name}`
      await execute(url, `CREATE DATABASE "${name}" TEMPLATE template0`)
      const adapter = await connectTo(String(shadow))
      const dispose = adapter.dispose.bind(adapter)
      adapter.dispose = async () => {
        await dispose()
        await execute(url, `DROP DATABASE "${name}" WITH (FORCE)`)
      }
      return adapter
    },
  }
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => process.stderr.write(`${message}\n`) } })
  const glueFile = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const glue = await import(pathToFileURL(glueFile).href)
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WasmApi }
  const module = new WebAssembly.Module(readFileSync(path.join(path.dirname(glueFile), 'schema_engine_bg.wasm')))
  const imports = Object.fromEntries(WebAssembly.Module.imports(module).map((entry) => [entry.module, glue]))
  const instance = new WebAssembly.Instance(module, imports)
  glue.__wbg_set_wasm(instance.exports)
  const start = instance.exports.__wbindgen_start as () => void
  start()
  const adapterFactory = bindMigrationAwareSqlAdapterFactory(factory as unknown as Parameters<typeof bindMigrationAwareSqlAdapterFactory>[0])
  return glue.SchemaEngine.new({ datamodels: [[SCHEMA, readFileSync(SCHEMA, 'utf8')]] }, () => {}, adapterFactory)
}

const datamodel = () => ({ files: [{ path: SCHEMA, content: readFileSync(SCHEMA, 'utf8') }] })

function history(): object {
  const names = readdirSync(MIGRATIONS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  return {
    baseDir: path.resolve(MIGRATIONS),
    shadowDbInitScript: '',
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    migrationDirectories: names.sort().map((name) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: readFileSync(`${MIGRATIONS}/${name}/migration.sql`, 'utf8') } },
    })),
  }
}

function diff(engine: SchemaEngine, from: object): Promise<DiffResult> {
  const to = { tag: 'schemaDatamodel', ...datamodel() }
  return engine.diff({ from, to, script: true, exitCode: true, shadowDatabaseUrl: null, filters: { externalTables: [], externalEnums: [] } })
}

const [command, name = 'change'] = process.argv.slice(2)
const directory = mkdtempSync(path.join(tmpdir(), 'schema-'))
const server = await startEmbeddedPostgres({ dataDir: directory, database: 'scratch', ephemeral: true })
try {
  await migrate(server.url, MIGRATIONS)
  const engine = await openEngine(server.url)
  if (command === 'new') {
    const change = await diff(engine, { tag: 'migrations', ...history() })
    if (change.exitCode === 0) process.stdout.write('schema and migrations agree\n')
    else {
      const target = `${MIGRATIONS}/${new Date(systemClock.now()).toISOString().replace(/\D/g, '').slice(0, 14)}_${name}`
      mkdirSync(target)
      writeFileSync(`${target}/migration.sql`, change.stdout)
      process.stdout.write(`wrote ${target}/migration.sql\n`)
    }
  } else if (command === 'drift') {
    const drift = await diff(engine, { tag: 'schemaDatasource', ...datamodel(), configDir: process.cwd() })
    process.stdout.write(drift.exitCode === 0 ? 'the migrations give prisma/schema.prisma\n' : `drift:\n${drift.stdout}`)
    process.exitCode = drift.exitCode === 0 ? 0 : 2
  } else {
    process.stderr.write('usage: npm run schema -- new <name> | drift\n')
    process.exitCode = 1
  }
} finally {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
}
process.exit()
