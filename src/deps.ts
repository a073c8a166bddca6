import path from 'node:path'
import type { Redis } from 'ioredis'
import { type Logger, pino } from 'pino'
import type { Config, LanguageModelConfig } from './config.ts'
import { type OauthVerifier, oauthVerifier } from './identity/oauth.ts'
import { openRevocations, type Revocations } from './identity/revocations.ts'
import { type SigningKey, signingKey } from './identity/tokens.ts'
import { type Curriculum, loadCurriculum } from './learning/curriculum/curriculum.ts'
import { withFamilyStreams } from './learning/gateway/family-stream.ts'
import { GATEWAY_DEFAULTS, type GatewayOptions } from './learning/gateway/gateway.ts'
import { type LiveEvents, memoryLiveEvents } from './learning/gateway/live-events.ts'
import { redisSessionMarks, type SessionMarks } from './learning/gateway/session-marks.ts'
import { redisLiveEvents } from './learning/gateway/shared-live-events.ts'
import { loadShop, type ShopCatalogue } from './learning/rewards/shop.catalogue.ts'
import { type BuiltinTutor, builtinTutor } from './learning/tutor/builtin.ts'
import { type GuardedTutorDeps, guardedTutor } from './learning/tutor/guarded-tutor.ts'
import type { LanguageTutorDeps, LanguageTutorOptions } from './learning/tutor/language-model/language-tutor.ts'
import { passageRetrieval } from './learning/tutor/retrieval.ts'
import type { TutorModel } from './learning/tutor/tutor-model.ts'
import { type Clock, systemClock } from './platform/clock.ts'
import { type CryptoBox, cryptoBox } from './platform/crypto-box.ts'
import { type Database, openDatabase } from './platform/db/database.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './platform/db/embedded.ts'
import { migrate } from './platform/db/migrate.ts'
import { type Counters, countersWithFallback, memoryCounters, redisCounters } from './platform/ephemeral/counters.ts'
import { safeCause } from './platform/http/render-error.ts'
import { loadKeys } from './platform/keys.ts'
import { type Mailer, openMailer } from './platform/mail/mailer.ts'
import { crisisContacts } from './safety/crisis-contacts.ts'
import { localModerators, type Moderator } from './safety/moderation/moderation.ts'
import type { ProviderDeps, ProviderModerator, ProviderOptions } from './safety/moderation/provider.ts'

/** Every real thing the server uses, opened once. */
export interface Deps {
  readonly clock: Clock
  readonly logger: Logger
  readonly db: Database
  /** Of the store: the configured one, or the embedded one. */
  readonly databaseUrl: string
  readonly redis: Redis | undefined
  readonly counters: Counters
  readonly mailer: Mailer
  readonly box: CryptoBox
  readonly signingKey: SigningKey
  readonly revocations: Revocations
  readonly oauth: OauthVerifier
  readonly curriculum: Curriculum
  readonly shop: ShopCatalogue
  readonly builtin: BuiltinTutor
  readonly tutor: TutorModel
  /** Judges what a child says, and what a model says to it. */
  readonly moderate: Moderator
  readonly crisisContact: (timezone: string) => string
  readonly live: LiveEvents
  /** Shared by all instances; undefined without Redis. */
  readonly sessionMarks: SessionMarks | undefined
  readonly gateway: GatewayOptions
  /** Makes ready what the first turn would otherwise wait for, in parts between which the event loop is free. */
  prepare(): Promise<void>
  /** Closes everything, in the opposite order of opening. */
  close(): Promise<void>
}

/** Where the migrations are: beside the compiled code, or in the source tree. */
const MIGRATIONS = path.resolve(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../prisma/migrations' : 'migrations')

/** Lines are written in batches, at the latest after a quarter of a second: a write for each would cost as much as the request. */
const LOG_BUFFER_BYTES = 4_096
const LOG_FLUSH_MS = 250

/** A logger that writes what may be written: errors without their messages, since those can quote what a child said. */
export function openLogger(level: string, destination?: { write(line: string): void }): Logger {
  const options = { level, base: null, serializers: { err: safeCause }, formatters: { level: (label: string) => ({ level: label }) } }
  return pino(options, destination ?? pino.destination({ dest: 1, sync: false, minLength: LOG_BUFFER_BYTES, periodicFlush: LOG_FLUSH_MS }))
}

/** Opens the store: the configured PostgreSQL, or an embedded one under the data directory; migrated. */
async function openStore(config: Config, logger: Logger): Promise<{ url: string; embedded: EmbeddedPostgres | undefined }> {
  const embedded = config.database.url === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir, database: 'brainspark' }) : undefined
  const url = config.database.url ?? (embedded as EmbeddedPostgres).url
  const applied = await migrate(url, MIGRATIONS)
  if (applied.length > 0) logger.info({ migrations: applied }, 'database migrated')
  return { url, embedded }
}

/** How long a language model and its moderation are waited for; what is left out is as in production. */
export interface ModelPatience {
  readonly tutor?: Partial<LanguageTutorOptions>
  readonly moderation?: Partial<ProviderOptions>
}

/**
 * The tutor that the configuration names: the builtin one, or one with a language model behind it, of which nothing is said
 * that was not judged. What that needs is loaded where it is wanted, since reading the library takes a while.
 */
export async function openTutor(
  access: LanguageModelConfig | undefined,
  deps: Pick<LanguageTutorDeps & GuardedTutorDeps, 'builtin' | 'curriculum' | 'retrieval' | 'clock' | 'moderateReply' | 'pointsAtCaregiver'>,
  logger: Logger,
  patience: ModelPatience = {},
): Promise<TutorModel> {
  if (!access) return deps.builtin
  const { languageTutor } = await import('./learning/tutor/language-model/language-tutor.ts')
  const { loadPrompt } = await import('./learning/tutor/language-model/prompt.ts')
  const { openLanguageModel } = await import('./learning/tutor/language-model/request.ts')
  const onFailure: LanguageTutorDeps['onFailure'] = ({ kind, status }) => logger.warn({ failure: kind, status }, 'the language model failed')
  const { tokensPerChildDay, tokensPerDay } = access
  const limits = { ...patience.tutor, tokensPerChildDay, tokensPerDay }
  const model = languageTutor({ ...deps, model: openLanguageModel(access, deps.clock), prompt: loadPrompt(), onFailure }, limits)
  return guardedTutor({ ...deps, model, provider: await openProvider(access, deps.clock, logger, patience) })
}

async function openProvider(access: LanguageModelConfig, clock: Clock, logger: Logger, patience: ModelPatience): Promise<ProviderModerator | undefined> {
  if (access.moderationModel === undefined) return undefined
  const { providerModerator } = await import('./safety/moderation/provider.ts')
  const onFailure: ProviderDeps['onFailure'] = ({ kind, status }) => logger.warn({ failure: kind, status }, 'the moderation provider failed')
  return providerModerator({ ...access, model: access.moderationModel }, { clock, onFailure }, patience.moderation)
}

/**
 * Opens everything the configuration names. What was opened is closed again when a later thing fails. `overrides`
 * replaces single things: tests move the clock and script the model, and nothing else differs.
 */
export async function openDeps(
  config: Config,
  overrides: Partial<Pick<Deps, 'clock' | 'logger' | 'tutor' | 'gateway'>> & { readonly patience?: ModelPatience | undefined } = {},
): Promise<Deps> {
  const clock = overrides.clock ?? systemClock
  const logger = overrides.logger ?? openLogger(config.logLevel)
  const closers: (() => unknown)[] = [() => logger.flush()]
  const close = async () => {
    for (const closer of closers.reverse().splice(0)) await closer()
  }
  const logError = (message: string) => (error: unknown) => logger.error({ err: error }, message)
  try {
    const keys = loadKeys(config.keys, config.dataDir)
    // PostgreSQL comes up while the curriculum is read.
    const opening = openStore(config, logger)
    closers.push(() =>
      opening.then(
        ({ embedded }) => embedded?.stop(),
        () => {},
      ),
    )
    const curriculum = loadCurriculum()
    const shop = loadShop()
    const retrieval = passageRetrieval(curriculum)
    const builtin = builtinTutor(curriculum, retrieval, config.tutorPaceMs)
    const moderators = localModerators()
    const { url } = await opening
    const db = openDatabase(url, config.database.poolSize, logError('a database connection was lost'))
    closers.push(() => db.close())
    const revocations = await openRevocations(db, url, clock, logError('listening for revoked sessions failed'))
    closers.push(() => revocations.close())
    // Loaded where it is wanted: most machines have no Redis, and reading the library takes a while.
    const redis = config.redisUrl ? (await import('./platform/ephemeral/redis.ts')).openRedis(config.redisUrl, logError('Redis is away')) : undefined
    if (redis) closers.push(() => redis.disconnect())
    const tutor =
      overrides.tutor ?? (await openTutor(config.languageModel, { builtin, curriculum, retrieval, clock, ...moderators }, logger, overrides.patience))
    const ownCounters = memoryCounters(clock)
    const gateway = overrides.gateway ?? GATEWAY_DEFAULTS
    const liveOptions = { maxReaders: gateway.maxSocketsPerChild, checkMs: gateway.heartbeatMs, onError: logError('live events are not shared') }
    const live = withFamilyStreams(redis ? redisLiveEvents(redis, clock, liveOptions) : memoryLiveEvents(clock))
    closers.push(() => live.close())
    const mailer = openMailer({ smtpUrl: config.mail.smtpUrl, from: config.mail.from, outboxDir: path.join(config.dataDir, 'outbox') })
    closers.push(() => mailer.close())
    return {
      clock,
      logger,
      db,
      databaseUrl: url,
      redis,
      mailer,
      revocations,
      curriculum,
      shop,
      builtin,
      async prepare() {
        await moderators.prepare()
        await builtin.prepare()
      },
      close,
      counters: redis ? countersWithFallback(redisCounters(redis, clock), ownCounters) : ownCounters,
      box: cryptoBox(keys.encryptionKeys),
      signingKey: signingKey(keys.jwtPrivateKey),
      oauth: oauthVerifier(config.oauth, clock),
      tutor,
      moderate: moderators.moderate,
      crisisContact: crisisContacts(),
      live,
      sessionMarks: redis && redisSessionMarks(redis),
      gateway,
    }
  } catch (error) {
    await close()
    throw error
  }
}
