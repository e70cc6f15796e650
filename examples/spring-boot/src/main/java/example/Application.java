package example;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtClaimNames;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** An API that requires a valid access token of Latchkey: Spring Security protects every path. */
@SpringBootApplication
@RestController
public class Application {
  public static void main(String[] arguments) {
    SpringApplication.run(Application.class, arguments);
  }

  @GetMapping("/hello")
  Map<String, String> hello(@AuthenticationPrincipal Jwt user) {
    return Map.of("user_id", user.getSubject(), "role", user.getClaimAsString("role"));
  }

  /**
   * Spring's own decoder only accepts the type JWT. Access tokens have the type at+jwt (RFC 9068); other types are
   * rejected.
   */
  @Bean
  JwtDecoder decoder(@Value("${latchkey}") String latchkey) {
    var accessTokens = new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt"));
    var decoder = NimbusJwtDecoder.withJwkSetUri(latchkey + "/.well-known/jwks.json")
        .jwsAlgorithm(SignatureAlgorithm.ES256)
        .jwtProcessorCustomizer(processor -> processor.setJWSTypeVerifier(accessTokens))
        .build();
    var audience = new JwtClaimValidator<List<String>>(JwtClaimNames.AUD, found -> found != null && found.contains(latchkey));
    // Checks the issuer, the times and the audience.
    decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(JwtValidators.createDefaultWithIssuer(latchkey), audience));
    return decoder;
  }
}
