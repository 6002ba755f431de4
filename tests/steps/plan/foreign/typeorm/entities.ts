import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn } from "typeorm";

@Entity("agents")
export class Agent {
    @PrimaryGeneratedColumn()
    id!: number;
    @Column({ type: "text", unique: true })
    email!: string;
    @Column({ type: "text", default: "agent" })
    role!: string;
    @Column({ name: "is_active", type: "boolean", default: true })
    isActive!: boolean;
    @Column({ name: "is_ai_agent", type: "boolean", default: false })
    isAiAgent!: boolean;
}

@Entity("agent_sessions")
// PASTE INDEXES public.agent_sessions
export class AgentSession {
    @PrimaryColumn({ type: "uuid" })
    id!: string;
    @Column({ name: "agent_id", type: "integer" })
    agentId!: number;
    @Column({ type: "text", default: "offline" })
    status!: string;
    @Column({ name: "current_call_session_id", type: "uuid", nullable: true })
    callId!: string | null;
    @Column({ name: "login_at", type: "timestamp", precision: 3 })
    loginAt!: Date;
    @Column({ name: "logout_at", type: "timestamp", precision: 3, nullable: true })
    logoutAt!: Date | null;
    @Column({ name: "last_activity", type: "timestamp", precision: 3 })
    lastActivity!: Date;
    // PASTE COLUMNS
}

@Entity("call_sessions")
// PASTE INDEXES public.call_sessions
export class Call {
    @PrimaryColumn({ type: "uuid" })
    id!: string;
    @Column({ name: "agent_id", type: "integer", nullable: true })
    agentId!: number | null;
    @Column({ type: "text", default: "initiated" })
    status!: string;
    @Column({ type: "text", nullable: true })
    direction!: string | null;
    @Column({ name: "started_at", type: "timestamp", precision: 3 })
    startedAt!: Date;
    @Column({ name: "connected_at", type: "timestamp", precision: 3, nullable: true })
    connectedAt!: Date | null;
    @Column({ name: "ended_at", type: "timestamp", precision: 3, nullable: true })
    endedAt!: Date | null;
}
