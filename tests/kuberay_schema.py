"""KubeRay's own fields of a RayService, ray.io/v1, as a strict JSON schema.

Written from the operator's API reference (ray-project/kuberay, docs/reference/api.md, 1.4). Where
Kubernetes' own types are embedded, `core_parts` hands them over as the kinds that hold them, so
that Kubernetes' schemas judge them.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
Manifest = dict[str, Any]

STRING: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
STRINGS: Schema = {"type": "object", "additionalProperties": STRING}
CORE: Schema = {"type": "object"}  # judged by Kubernetes' schemas


def strict(required: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


CREDENTIAL = strict(value=STRING, valueFrom=CORE)
AUTOSCALER = strict(
    resources=CORE,
    image=STRING,
    imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    securityContext=CORE,
    idleTimeoutSeconds=WHOLE,
    upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    version={"enum": ["v1", "v2"]},
    env={"type": "array"},
    envFrom={"type": "array"},
    volumeMounts={"type": "array"},
)
HEAD = strict(
    ("rayStartParams", "template"),
    template=CORE,
    headService=CORE,
    enableIngress=FLAG,
    rayStartParams=STRINGS,
    serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
)
WORKERS = strict(
    ("groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    groupName=STRING,
    suspend=FLAG,
    replicas=WHOLE,
    minReplicas=WHOLE,
    maxReplicas=WHOLE,
    idleTimeoutSeconds=WHOLE,
    numOfHosts=WHOLE,
    rayStartParams=STRINGS,
    template=CORE,
    scaleStrategy=strict(workersToDelete={"type": "array", "items": STRING}),
)
CLUSTER = strict(
    ("headGroupSpec",),
    suspend=FLAG,
    managedBy=STRING,
    autoscalerOptions=AUTOSCALER,
    headServiceAnnotations=STRINGS,
    enableInTreeAutoscaling=FLAG,
    gcsFaultToleranceOptions=strict(
        redisAddress=STRING,
        redisUsername=CREDENTIAL,
        redisPassword=CREDENTIAL,
        externalStorageNamespace=STRING,
    ),
    headGroupSpec=HEAD,
    rayVersion=STRING,
    workerGroupSpecs={"type": "array", "items": WORKERS},
)
RAY_SERVICE = strict(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayService"},
    metadata=CORE,
    spec=strict(
        ("rayClusterConfig", "serveConfigV2"),
        serveConfigV2=STRING,
        rayClusterConfig=CLUSTER,
        serveService=CORE,
        upgradeStrategy=strict(type={"enum": ["NewCluster", "None"]}),
        excludeHeadPodFromServeSvc=FLAG,
    ),
)


def core_parts(service: Manifest) -> Iterator[Manifest]:
    """Kubernetes' own types inside a RayService, as manifests of kinds that hold them."""
    cluster = service["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", [])]
    for number, group in enumerate(groups):
        yield _pod_template(f"group-{number}", group["template"])
    ours = {"resources", "securityContext", "env", "envFrom", "volumeMounts", "imagePullPolicy"}
    options = cluster.get("autoscalerOptions", {})
    container = {key: value for key, value in options.items() if key in ours}
    redis = cluster.get("gcsFaultToleranceOptions", {})
    given = [
        {"name": key, **value}
        for key, value in redis.items()
        if key.startswith(("redisU", "redisP"))
    ]
    container["env"] = [*container.get("env", []), *given]
    spec = {"containers": [{"name": "autoscaler", "image": "autoscaler", **container}]}
    yield _pod_template("autoscaler", {"spec": spec})
    for number, each in enumerate([service["spec"].get("serveService"), *_head_services(groups)]):
        if each:
            yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": str(number)}} | each


def _head_services(groups: list[Manifest]) -> list[Manifest | None]:
    return [group.get("headService") for group in groups]


def _pod_template(name: str, template: Manifest) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": name},
        "template": template,
    }
