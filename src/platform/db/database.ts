import { AsyncLocalStorage } from 'node:async_hooks'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { type Prisma, PrismaClient } from './generated/client.ts'

/** A Prisma client inside a transaction. */
export type Transaction = Prisma.TransactionClient & {
  /** Runs once the transaction has committed; dropped when it rolls back. */
  afterCommit(announce: () => void | Promise<void>): void
}

/** A named statement: prepared once per connection. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export interface Database {
  readonly prisma: PrismaClient
  /** Runs one prepared statement on the shared pool: for the hot paths. */
  query<Row extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<Row[]>
  /** Runs `work` in one transaction and, after the commit, what it announced, in order. Rolls back when it throws. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** Counts the statements sent to PostgreSQL on behalf of `work` (BEGIN and COMMIT included). */
  countRoundTrips<T>(work: () => Promise<T>): Promise<{ result: T; roundTrips: number }>
  /** Resolves when PostgreSQL answers, throws when it does not. */
  ping(): Promise<void>
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 3_000
const STATEMENT_TIMEOUT_MS = 15_000
const TRANSACTION_TIMEOUT_MS = 15_000

const roundTripCounter = new AsyncLocalStorage<{ count: number }>()

/** A client that tells the innermost countRoundTrips of each statement. */
class MeteredClient extends pg.Client {
  override query(...values: unknown[]): never {
    const counter = roundTripCounter.getStore()
    if (counter) counter.count += 1
    return Reflect.apply(super.query, this, values) as never
  }
}

const PING: Statement = { name: 'ping', text: 'SELECT 1' }

/** Opens the pool that Prisma and the hot paths share. Connects lazily: a database that is away fails the first query. */
export function openDatabase(url: string, poolSize: number, onPoolError: (error: Error) => void): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: TRANSACTION_TIMEOUT_MS,
    application_name: 'brainspark',
    Client: MeteredClient,
  } as pg.PoolConfig)
  pool.on('error', onPoolError)
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool),
    transactionOptions: { maxWait: CONNECT_TIMEOUT_MS, timeout: TRANSACTION_TIMEOUT_MS },
  })

  return {
    prisma,
    async query(statement, values) {
      const result = await pool.query({ name: statement.name, text: statement.text, values: values as unknown[] })
      return result.rows
    },
    async transaction(work) {
      const announcements: (() => void | Promise<void>)[] = []
      const result = await prisma.$transaction((client) =>
        work(
          Object.assign(Object.create(client) as Prisma.TransactionClient, {
            afterCommit: (announce: () => void | Promise<void>) => announcements.push(announce),
          }) as Transaction,
        ),
      )
      for (const announce of announcements) await announce()
      return result
    },
    async countRoundTrips(work) {
      const counter = { count: 0 }
      const result = await roundTripCounter.run(counter, work)
      return { result, roundTrips: counter.count }
    },
    async ping() {
      await pool.query(PING)
    },
    async close() {
      await prisma.$disconnect()
      await pool.end()
    },
  }
}

const UNAVAILABLE_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'ETIMEDOUT'],
  ...['57P01', '57P02', '57P03', '08000', '08001', '08003', '08006', '53300'],
  ...['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037'],
])
const UNAVAILABLE_MESSAGES = /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable/

/** True when an error says that PostgreSQL is away, starting, stopping or full, not that a query was wrong. */
export function isDatabaseUnavailable(error: unknown): boolean {
  for (let current: unknown = error; current instanceof Object; current = (current as { cause?: unknown }).cause) {
    const { code, message, originalCode, kind, meta } = current as Record<string, unknown>
    if (UNAVAILABLE_CODES.has(String(code)) || UNAVAILABLE_CODES.has(String(originalCode))) return true
    if (kind === 'DatabaseNotReachable' || kind === 'ConnectionClosed' || kind === 'SocketTimeout' || kind === 'TooManyConnections') return true
    if (typeof message === 'string' && UNAVAILABLE_MESSAGES.test(message)) return true
    const driverError = (meta as { driverAdapterError?: unknown } | undefined)?.driverAdapterError
    if (driverError && isDatabaseUnavailable(driverError)) return true
    if (current instanceof AggregateError && current.errors.some(isDatabaseUnavailable)) return true
  }
  return false
}

/** The unique constraint a Prisma or pg error says was violated, such as "accounts_email_key_key"; undefined for any other error. */
export function violatedUnique(error: unknown): string | undefined {
  const { code, constraint, meta } = (error ?? {}) as {
    code?: string
    constraint?: string
    meta?: { driverAdapterError?: { cause?: { constraint?: { index?: string; fields?: string[] } } } }
  }
  if (code === '23505') return constraint ?? 'unknown'
  if (code !== 'P2002') return undefined
  const violated = meta?.driverAdapterError?.cause?.constraint
  return violated?.index ?? violated?.fields?.join(',') ?? 'unknown'
}

/** The foreign key a Prisma or pg error says was violated, such as "messages_child_id_fkey"; undefined for any other error. */
export function violatedForeignKey(error: unknown): string | undefined {
  const { code, constraint, meta } = (error ?? {}) as {
    code?: string
    constraint?: string
    meta?: { driverAdapterError?: { cause?: { originalCode?: string; constraint?: { index?: string; fields?: string[] } } } }
  }
  if (code === '23503') return constraint ?? 'unknown'
  if (code !== 'P2003' && meta?.driverAdapterError?.cause?.originalCode !== '23503') return undefined
  const violated = meta?.driverAdapterError?.cause?.constraint
  return violated?.index ?? violated?.fields?.join(',') ?? 'unknown'
}
