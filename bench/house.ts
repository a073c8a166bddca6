import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../src/platform/db/embedded.ts'
import { newId } from '../src/platform/ids.ts'
import { type RunningServer, startServer } from './processes.ts'

/** A database of its own and what runs on it, for one measurement. */
export interface House {
  readonly databaseUrl: string
  /** Of the key that the built server signs tokens with, in PEM. */
  readonly publicKey: string
  /** Starts the built server, its limits out of the way. */
  startBuilt(environment?: Readonly<Record<string, string>>): Promise<RunningServer>
  /** Starts `node ...args` as startServer does. */
  start(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<RunningServer>
  /** The first column of the first row. */
  count(sql: string, values?: readonly unknown[]): Promise<number>
}

/** Opens a house for `work`, then stops all that was started and removes it. A failure is printed and ends the process with 1. */
export async function inHouse(work: (house: House) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'brainspark-bench-'))
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const postgres = await startEmbeddedPostgres({ dataDir: directory, database: 'brainspark' })
  const running: RunningServer[] = []
  const start: House['start'] = async (args, environment) => {
    const server = await startServer(args, { NODE_ENV: 'production', ...environment })
    running.push(server)
    return server
  }
  try {
    await work({
      databaseUrl: postgres.url,
      publicKey,
      start,
      startBuilt: (environment) =>
        start(['dist/server.js'], {
          PORT: '0',
          DATA_DIR: directory,
          DATABASE_URL: postgres.url,
          JWT_PRIVATE_KEY: privateKey,
          ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
          RATE_LIMIT_MULTIPLIER: '1000000',
          ...environment,
        }),
      async count(sql, values = []) {
        const client = new pg.Client(postgres.url)
        await client.connect()
        try {
          const { rows } = await client.query({ text: sql, values: [...values], rowMode: 'array' })
          return Number(rows[0]?.[0])
        } finally {
          await client.end()
        }
      },
    })
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  } finally {
    for (const server of running.reverse()) await server.stop()
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

export const json = { 'content-type': 'application/json' }

export interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: each bench says what its answers must tell
  readonly data: any
}

/** Throws unless the answer is a success. */
export async function post(address: string, path: string, headers: Readonly<Record<string, string>>, body: unknown): Promise<Answer> {
  const response = await fetch(address + path, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Answer
}

export interface Family {
  readonly token: string
  /** Ids of the children, all of them eight years old, who may talk all day. */
  readonly children: readonly string[]
}

export async function makeFamily(address: string, names: readonly string[]): Promise<Family> {
  const consents = { terms: true, privacy: true, coppa: true }
  const account = { email: `${newId()}@example.com`, password: 'Tr1cky-Otter-Parade', display_name: 'Alex', timezone: 'UTC', consents }
  const token: string = (await post(address, '/v1/auth/register', {}, account)).data.tokens.access_token
  const children: string[] = []
  for (const name of names) {
    const child = { name, birth_date: `${new Date().getUTCFullYear() - 8}-01-15`, settings: { daily_time_limit_minutes: 1440 } }
    children.push((await post(address, '/v1/children', { authorization: `Bearer ${token}` }, child)).data.id)
  }
  return { token, children }
}

export interface Child {
  readonly id: string
  readonly token: string
}

/** Each of a family of its own, so that no two share a row. */
export async function makeChildren(address: string, count: number): Promise<Child[]> {
  const children: Child[] = []
  while (children.length < count) {
    const { token, children: ids } = await makeFamily(address, ['Emma'])
    children.push({ id: ids[0] as string, token })
  }
  return children
}

export const headersOf = (child: Child) => ({ authorization: `Bearer ${child.token}`, 'x-child-id': child.id })

export const SPACE = '770e8400-e29b-41d4-a716-446655440001'

/** Starts a conversation about Space and returns its id. */
export const startConversation = async (address: string, child: Child): Promise<string> =>
  (await post(address, '/v1/conversations', headersOf(child), { topic_id: SPACE })).data.conversation_id
