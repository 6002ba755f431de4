-- One row: how many agents an inbound call may reach now. Only where the view is deployed.
select count(*) as routable_agents
from {{ ref('routable_agents') }}
