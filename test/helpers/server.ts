import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { inject } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import { type Deps, type ModelPatience, openDeps, openLogger } from '../../src/deps.ts'
import type { TypedApp } from '../../src/platform/http/typed-app.ts'
import { newId } from '../../src/platform/ids.ts'
import { type Api, apiOf } from './api.ts'
import { type TestClock, testClock } from './clock.ts'

export interface TestServer {
  readonly app: TypedApp
  readonly deps: Deps
  readonly config: Config
  readonly clock: TestClock
  readonly api: Api
  /** Every log line so far, as JSON text. */
  readonly logs: readonly string[]
  readonly databaseUrl: string
  /** Where DATA_DIR is: the outbox is under it. */
  readonly dataDir: string
  /** Listens on a free port of the loopback and returns the address, "http://127.0.0.1:...". */
  listen(): Promise<string>
  close(): Promise<void>
}

export interface TestServerOptions {
  /** Environment variables besides the test's own; limits are a thousand times wider unless RATE_LIMIT_MULTIPLIER is given. */
  readonly env?: Readonly<Record<string, string>>
  readonly clock?: TestClock
  readonly tutor?: Deps['tutor']
  readonly gateway?: Partial<Deps['gateway']>
  readonly patience?: ModelPatience
  /** Shares the database of another server, as a second instance does. */
  readonly databaseUrl?: string
  /** Shares the keys and outbox of another server. */
  readonly dataDir?: string
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

/** The URL of the server's maintenance database. */
function adminUrl(): string {
  const url = new URL(inject('templateUrl'))
  url.pathname = '/postgres'
  return String(url)
}

/** A database of its own, cloned from the migrated template. */
export async function cloneDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `test_${newId().replaceAll('-', '')}`
  await execute(adminUrl(), `CREATE DATABASE ${name} TEMPLATE template_app`)
  const url = new URL(inject('templateUrl'))
  url.pathname = `/${name}`
  return { url: String(url), drop: () => execute(adminUrl(), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) }
}

/** The real app on a real PostgreSQL of its own. Only the clock, and a model where one is given, are the test's. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const database = options.databaseUrl ? { url: options.databaseUrl, drop: async () => {} } : await cloneDatabase()
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'brainspark-data-'))
  const clock = options.clock ?? testClock()
  const logs: string[] = []
  const config = loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    LOG_LEVEL: 'debug',
    RATE_LIMIT_MULTIPLIER: '1000',
    ...options.env,
  })
  const logger = openLogger(config.logLevel, { write: (line) => void logs.push(line) })
  const { GATEWAY_DEFAULTS } = await import('../../src/learning/gateway/gateway.ts')
  const deps = await openDeps(config, {
    clock,
    logger,
    gateway: { ...GATEWAY_DEFAULTS, ...options.gateway },
    patience: options.patience,
    ...(options.tutor && { tutor: options.tutor }),
  })
  const app = await buildApp(config, deps)
  await app.ready()
  return {
    app,
    deps,
    config,
    clock,
    logs,
    dataDir,
    databaseUrl: database.url,
    api: apiOf(app),
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
    async close() {
      await app.close()
      await deps.close()
      await database.drop()
      if (!options.dataDir) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
