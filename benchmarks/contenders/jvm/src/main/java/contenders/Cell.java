package contenders;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** Reads a whole result, and says of which platform, country and network it is. A tick is of none. */
final class Cell {
  private static final JsonFactory JSON = new JsonFactory();

  private Cell() {}

  static String of(byte[] value) throws IOException {
    String platform = null;
    String country = null;
    int asn = 0;
    try (JsonParser parser = JSON.createParser(value)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        parser.nextToken();
        switch (name) {
          case "platform" -> platform = parser.getText();
          case "country" -> country = parser.getText();
          case "asn" -> asn = parser.getIntValue();
          default -> parser.skipChildren();
        }
      }
    }
    return platform == null ? "" : platform + '|' + country + '|' + asn;
  }
}
