import type { Revocations } from '../identity/revocations.ts'
import type { Tokens } from '../identity/tokens.ts'
import type { Clock } from '../platform/clock.ts'
import type { CryptoBox } from '../platform/crypto-box.ts'
import type { Database } from '../platform/db/database.ts'
import type { RateLimits } from '../platform/http/rate-limits.ts'
import type { TypedApp } from '../platform/http/typed-app.ts'
import { registerConstellationRoutes } from './constellation/constellation.routes.ts'
import { constellationService } from './constellation/constellation.service.ts'
import { registerConversationRoutes } from './conversations/conversations.routes.ts'
import { conversationsService } from './conversations/conversations.service.ts'
import { conversationsStore } from './conversations/conversations.store.ts'
import { endingService } from './conversations/ending.service.ts'
import { turnsService } from './conversations/turns.service.ts'
import { turnsStore } from './conversations/turns.store.ts'
import type { Curriculum } from './curriculum/curriculum.ts'
import { registerGatewayRoutes } from './gateway/gateway.routes.ts'
import { type Gateway, type GatewayOptions, openGateway } from './gateway/gateway.ts'
import type { LiveEvents } from './gateway/live-events.ts'
import { badgeCatalogue } from './rewards/badges.ts'
import type { BuiltinTutor } from './tutor/builtin.ts'
import type { TutorModel } from './tutor/tutor-model.ts'

export interface LearningDeps {
  readonly db: Database
  readonly clock: Clock
  readonly tokens: Tokens
  readonly revocations: Revocations
  readonly limits: RateLimits
  readonly box: CryptoBox
  readonly curriculum: Curriculum
  /** Greets, and speaks wherever no other model does. */
  readonly builtin: BuiltinTutor
  readonly tutor: TutorModel
  readonly live: LiveEvents
  readonly gateway: GatewayOptions
  readonly onError: (error: unknown) => void
}

export interface LearningRoom {
  readonly gateway: Gateway
  /** The REST routes, under /v1. */
  registerRoutes(app: TypedApp): void
  /** The WebSocket door at `path`. */
  registerGateway(app: TypedApp, path: string): void
  /** Resolves when no turn is being carried out any more. */
  drain(): Promise<void>
}

/** Puts the learning product together. */
export function learningRoom(deps: LearningDeps): LearningRoom {
  const { db, clock, curriculum, live } = deps
  const badges = badgeCatalogue(curriculum)
  const turns = turnsService({ ...deps, store: turnsStore(db), badges })
  const conversations = conversationsService({ clock, curriculum, store: conversationsStore(db), tutor: deps.builtin })
  const ending = endingService({ db, clock, curriculum, live, badges })
  const constellation = constellationService(db, curriculum)
  const gateway = openGateway({ ...deps, turns, options: deps.gateway })
  return {
    gateway,
    registerRoutes(app) {
      registerConstellationRoutes(app, constellation)
      registerConversationRoutes(app, conversations, turns, ending)
    },
    registerGateway: (app, path) => registerGatewayRoutes(app, gateway, path),
    drain: () => turns.drain(),
  }
}
