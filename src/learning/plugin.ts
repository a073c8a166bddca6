import type { ChildrenService } from '../family/children.service.ts'
import type { Revocations } from '../identity/revocations.ts'
import type { Tokens } from '../identity/tokens.ts'
import type { Clock } from '../platform/clock.ts'
import type { CryptoBox } from '../platform/crypto-box.ts'
import type { Database } from '../platform/db/database.ts'
import type { RateLimits } from '../platform/http/rate-limits.ts'
import type { TypedApp } from '../platform/http/typed-app.ts'
import type { Job } from '../platform/jobs.ts'
import type { Mailer } from '../platform/mail/mailer.ts'
import type { Moderator } from '../safety/moderation/moderation.ts'
import { registerBrainSparkRoutes } from './brain-spark/brain-spark.routes.ts'
import { brainSparkService } from './brain-spark/brain-spark.service.ts'
import { registerConstellationRoutes } from './constellation/constellation.routes.ts'
import { constellationService } from './constellation/constellation.service.ts'
import { registerConversationRoutes } from './conversations/conversations.routes.ts'
import { conversationsService } from './conversations/conversations.service.ts'
import { conversationsStore } from './conversations/conversations.store.ts'
import { endingService } from './conversations/ending.service.ts'
import { turnsService } from './conversations/turns.service.ts'
import { turnsStore } from './conversations/turns.store.ts'
import type { Curriculum } from './curriculum/curriculum.ts'
import { registerDashboardRoutes } from './dashboard/dashboard.routes.ts'
import { dashboardService } from './dashboard/dashboard.service.ts'
import { dashboardStore } from './dashboard/dashboard.store.ts'
import { registerGrowthRoutes } from './dashboard/growth.routes.ts'
import { growthService } from './dashboard/growth.service.ts'
import { growthStore } from './dashboard/growth.store.ts'
import { registerGatewayRoutes } from './gateway/gateway.routes.ts'
import { type Gateway, type GatewayOptions, openGateway } from './gateway/gateway.ts'
import type { LiveEvents } from './gateway/live-events.ts'
import type { SessionMarks } from './gateway/session-marks.ts'
import { watchSessions } from './gateway/session-watch.ts'
import { registerNoticeRoutes } from './notifications/notices.routes.ts'
import { noticesService } from './notifications/notices.service.ts'
import { noticesStore } from './notifications/notices.store.ts'
import { registerProgressRoutes } from './progress/progress.routes.ts'
import { progressService } from './progress/progress.service.ts'
import { purge } from './retention.ts'
import { badgeCatalogue } from './rewards/badges.ts'
import { registerRewardsRoutes } from './rewards/rewards.routes.ts'
import { rewardsService } from './rewards/rewards.service.ts'
import type { ShopCatalogue } from './rewards/shop.catalogue.ts'
import { registerShopRoutes } from './rewards/shop.routes.ts'
import { shopService } from './rewards/shop.service.ts'
import { registerStreakRoutes } from './rewards/streaks.routes.ts'
import { streaksService } from './rewards/streaks.service.ts'
import { registerSessionRoutes } from './session/session.routes.ts'
import { sessionService } from './session/session.service.ts'
import type { BuiltinTutor } from './tutor/builtin.ts'
import type { TutorModel } from './tutor/tutor-model.ts'

export interface LearningDeps {
  readonly db: Database
  readonly clock: Clock
  readonly tokens: Tokens
  readonly revocations: Revocations
  readonly limits: RateLimits
  readonly box: CryptoBox
  readonly mailer: Mailer
  /** Where links in mails point to. */
  readonly publicUrl: string
  readonly curriculum: Curriculum
  readonly shop: ShopCatalogue
  /** Greets, and speaks wherever no other model does. */
  readonly builtin: BuiltinTutor
  readonly tutor: TutorModel
  readonly moderate: Moderator
  readonly crisisContact: (timezone: string) => string
  readonly live: LiveEvents
  readonly sessionMarks: SessionMarks | undefined
  readonly children: ChildrenService
  readonly gateway: GatewayOptions
  readonly onError: (error: unknown) => void
}

export interface LearningRoom {
  readonly gateway: Gateway
  /** Work to be done again and again. */
  readonly jobs: readonly Job[]
  /** The REST routes, under /v1. */
  registerRoutes(app: TypedApp): Promise<void>
  /** The WebSocket door at `path`. */
  registerGateway(app: TypedApp, path: string): void
  /** Tells every socket to come back to another process, and looks after time no more. */
  close(): void
  /** Resolves when no turn is being carried out any more. */
  drain(): Promise<void>
}

/** Puts the learning product together. */
export function learningRoom(deps: LearningDeps): LearningRoom {
  const { db, clock, curriculum, live, shop: shopCatalogue } = deps
  const badges = badgeCatalogue(curriculum)
  const turns = turnsService({ ...deps, store: turnsStore(db), badges })
  const sparks = brainSparkService({ db, clock, curriculum, live })
  const streaks = streaksService({ db, clock, live, badges })
  const conversations = conversationsService({ db, clock, curriculum, store: conversationsStore(db), tutor: deps.builtin, sparks })
  const ending = endingService({ ...deps, badges })
  const constellation = constellationService(db, curriculum)
  const dashboard = dashboardService(dashboardStore(db), clock, curriculum)
  const notices = noticesService({ ...deps, store: noticesStore(db), dashboard })
  const gateway = openGateway({ ...deps, turns, options: deps.gateway })
  const watch = watchSessions({ ...deps, everyMs: deps.gateway.watchMs, onGone: gateway.deny })
  return {
    gateway,
    jobs: [
      { name: 'end-idle-conversations', cron: '* * * * *', run: async () => void (await ending.endIdle()) },
      { name: 'weekly-digests', cron: '5 * * * *', run: async () => void (await notices.sendDigests()) },
      { name: 'streak-reminders', cron: '10 * * * *', run: async () => void (await notices.sendReminders()) },
      { name: 'retention', cron: '40 3 * * *', run: async () => void (await purge(db, clock, deps.onError)) },
    ],
    async registerRoutes(app) {
      registerConstellationRoutes(app, constellation)
      registerConversationRoutes(app, conversations, turns, ending)
      registerBrainSparkRoutes(app, sparks)
      registerStreakRoutes(app, streaks)
      registerProgressRoutes(app, progressService(db, curriculum))
      registerRewardsRoutes(app, rewardsService(db, badges, shopCatalogue))
      registerSessionRoutes(app, sessionService(db, clock))
      registerDashboardRoutes(app, dashboard, deps.children)
      registerGrowthRoutes(app, growthService(growthStore(db), clock, curriculum))
      await registerNoticeRoutes(app, notices)
      registerShopRoutes(app, shopService(db, clock, shopCatalogue), shopCatalogue)
    },
    registerGateway: (app, path) => registerGatewayRoutes(app, gateway, path),
    close() {
      watch.stop()
      gateway.close()
    },
    drain: () => turns.drain(),
  }
}
